// How the work of one process comes to its end: the process exits, its output closes, and only then is it over.

import type { Exit } from '../../calls/contract/engines.ts';
import type { Obligation } from '../../calls/contract/ports.ts';
import { within } from '../support/within.ts';
import { pause } from './pause.ts';
import type { Relay } from './relay.ts';

export interface Work {
  /** The process itself has ended. Never rejects. */
  readonly exited: Promise<Exit>;
  readonly obligation: Obligation;
  readonly relay: Relay;
  readonly drainMs: number;
  /** Aborted when the run is to stop. */
  readonly signal: AbortSignal;
}

export interface Ends {
  /** The process is gone: nobody will read the input any more. */
  ended(): void;
  /** True when all writers have closed the output and everything was passed on; false when `ms` went by without that. */
  closed(ms: number): Promise<boolean>;
  /** Stops listening, whoever still writes. */
  drop(): void;
}

/** What may still stand in a pipe when its writers are gone; more than this comes from somebody alive. */
const trailBytesMax = 4 << 20;
/** How long a stopped run waits for a disk that does not catch up. */
const heldMs = 10_000;
const heldPollMs = 20;

/** Always settles: with what is known of the exit, which is nothing when even SIGKILL did not end the process. */
export async function conclude(work: Work, ends: Ends): Promise<Exit> {
  const exit = await exitOf(work);
  ends.ended();
  // A straggler may hold the output open after the exit, so waiting for its end needs a bound, and then an end to the straggler.
  if (!(await closes(work, ends))) {
    await work.obligation.release().catch(() => {});
    if (!(await closes(work, ends))) ends.drop();
  }
  return exit;
}

async function exitOf({ exited, obligation, drainMs, signal }: Work): Promise<Exit> {
  const givenUp = new AbortController();
  const stopped = new Promise<Exit>((resolve) => {
    const giveUp = async (): Promise<void> => {
      await obligation.release().catch(() => {});
      resolve(await within(drainMs, exited, () => ({})));
    };
    signal.addEventListener('abort', () => void giveUp(), { once: true, signal: givenUp.signal });
    if (signal.aborted) void giveUp();
  });
  try {
    return await Promise.race([exited, stopped]);
  } finally {
    givenUp.abort();
  }
}

/** Waits for the output to close, counting only time in which it could: not while it is held for the disk. */
async function closes({ relay, drainMs, signal }: Work, ends: Ends): Promise<boolean> {
  const bytesBefore = relay.bytes;
  let freeFrom = performance.now();
  for (;;) {
    if (await ends.closed(Math.max(0, freeFrom + drainMs - performance.now()))) return true;
    if (relay.bytes - bytesBefore > trailBytesMax) return false;
    if (!relay.held && relay.freeFrom <= freeFrom) return false;
    if (!(await freed(relay, signal))) return false;
    freeFrom = relay.freeFrom;
  }
}

async function freed(relay: Relay, signal: AbortSignal): Promise<boolean> {
  let stoppedAt = Infinity;
  while (relay.held) {
    if (signal.aborted) stoppedAt = Math.min(stoppedAt, performance.now());
    if (performance.now() - stoppedAt > heldMs) return false;
    await pause(heldPollMs);
  }
  return true;
}
