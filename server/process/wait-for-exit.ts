// Waits for the exit of a process and then for the end of its output, for a limited time.

import { setMaxListeners } from 'node:events';
import { type Exit, WorkLost } from '../../calls/contract/engines.ts';
import type { Obligation, RunPorts } from '../../calls/contract/ports.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { OutputCut } from '../../protocol/run-record.ts';
import { delay } from '../support/delay.ts';
import { withTimeout } from '../support/with-timeout.ts';
import type { OutputRelay } from './output-relay.ts';

export type OutputDrain = Pick<Limits, 'outputDrainMs' | 'outputDrainMaxMs'>;

export interface ExitDeps {
  /** Resolves when the process has exited; empty if other code in this process has reaped it. Never rejects. */
  readonly exited: Promise<Exit>;
  readonly obligation: Obligation;
  readonly relay: OutputRelay;
  readonly drain: OutputDrain;
  readonly ports: Pick<RunPorts, 'signal'>;
}

export interface StreamHandles {
  /** Called when the process no longer reads its input: it has exited, or a stop could not end it. */
  onExit(): void;
  /** Returns true when all writers have closed the output and everything was forwarded; false after `ms`. */
  waitForClose(ms: number): Promise<boolean>;
  /** Stops reading, even if a process still writes. */
  destroy(): void;
}

/**
 * Maximum number of bytes that a pipe can still hold after its writers are gone. A living process must have written any
 * further bytes.
 */
const trailingBytesMax = 4 << 20;
/** Maximum time that a stopped run waits for a disk that is behind. */
const diskStallMs = 10_000;
const pausedPollMs = 20;

/**
 * Resolves with the exit. The result is empty for a stopped run if not even SIGKILL ended the process. Rejects with
 * WorkLost if other code has reaped the process, because its exit code is then unknown.
 */
export async function waitForExit(deps: ExitDeps, streams: StreamHandles): Promise<Exit> {
  const exit = await waitForExitOrStop(deps);
  streams.onExit();
  const exitedAt = performance.now();
  // A descendant may hold the output open after the exit, so limit the wait, then release the obligation to end the
  // descendant.
  const reason = await waitForOutputEnd(deps, streams);
  if (reason !== undefined)
    await cutOutput(deps, streams, { reason, afterMs: Math.round(performance.now() - exitedAt) });
  if (exit.exitCode === undefined && exit.signal === undefined && !deps.ports.signal.aborted)
    throw new WorkLost('other code in the gateway has read the exit code of the process');
  return exit;
}

async function waitForExitOrStop({ exited, obligation, drain, ports: { signal } }: ExitDeps): Promise<Exit> {
  const listening = new AbortController();
  // Disable Node's warning about many listeners, because a run may have any number of processes.
  setMaxListeners(0, signal);
  const stopped = new Promise<Exit>((resolve) => {
    const onAbort = async (): Promise<void> => {
      await obligation.release().catch(() => {});
      resolve(await withTimeout(drain.outputDrainMs, exited, () => ({})));
    };
    signal.addEventListener('abort', () => void onAbort(), { once: true, signal: listening.signal });
    if (signal.aborted) void onAbort();
  });
  try {
    return await Promise.race([exited, stopped]);
  } finally {
    listening.abort();
  }
}

/**
 * Waits until the output is closed. Otherwise returns why the gateway must cut it. `held`: no output for
 * `outputDrainMs`, or a stopped run has waited `diskStallMs` for the disk. `limit`: still output after
 * `outputDrainMaxMs`. Does not count the time during which the relay is paused for the disk.
 */
async function waitForOutputEnd(
  { relay, drain: { outputDrainMs, outputDrainMaxMs }, ports: { signal } }: ExitDeps,
  streams: StreamHandles,
): Promise<OutputCut['reason'] | undefined> {
  let [bytes, waitFrom, pausedMs] = [relay.bytes, performance.now(), 0];
  const startedAt = waitFrom;
  for (;;) {
    if (await streams.waitForClose(Math.max(0, waitFrom + outputDrainMs - performance.now()))) return undefined;
    const now = performance.now();
    if (relay.paused || relay.resumedAt > waitFrom) {
      if (!(await waitUntilResumed(relay, signal))) return 'held';
      pausedMs += performance.now() - now;
      waitFrom = relay.resumedAt;
    } else {
      if (relay.bytes === bytes) return 'held';
      if (now - startedAt - pausedMs >= outputDrainMaxMs) return 'limit';
      waitFrom = now;
    }
    bytes = relay.bytes;
  }
}

/** Ends the processes that hold the output open, and reads what they have printed. */
async function cutOutput({ obligation, ...deps }: ExitDeps, streams: StreamHandles, cut: OutputCut): Promise<void> {
  const wasStopped = deps.ports.signal.aborted;
  const release = await obligation.release().catch(() => ({ left: '' }));
  const isRead = await waitForTrailingOutput(deps, streams);
  if (!isRead) streams.destroy();
  // If everything is read, do not report a cut if the run was stopped, which ends its processes anyway, or if the
  // processes ended without a signal.
  if (isRead && (wasStopped || ('how' in release && release.how === 'exited'))) return;
  obligation.reportOutputCut(cut);
}

/**
 * Returns true if the rest of the output is read. Otherwise a process outside the obligation still holds the output
 * open, or a stopped run has waited too long for the disk.
 */
async function waitForTrailingOutput(
  { relay, drain: { outputDrainMs }, ports: { signal } }: Omit<ExitDeps, 'obligation'>,
  streams: StreamHandles,
): Promise<boolean> {
  const bytesBefore = relay.bytes;
  let waitFrom = performance.now();
  for (;;) {
    if (await streams.waitForClose(Math.max(0, waitFrom + outputDrainMs - performance.now()))) return true;
    if (relay.bytes - bytesBefore > trailingBytesMax) return false;
    if (!relay.paused && relay.resumedAt <= waitFrom) return false;
    if (!(await waitUntilResumed(relay, signal))) return false;
    waitFrom = relay.resumedAt;
  }
}

async function waitUntilResumed(relay: OutputRelay, signal: AbortSignal): Promise<boolean> {
  let stoppedAt = Infinity;
  while (relay.paused) {
    if (signal.aborted) stoppedAt = Math.min(stoppedAt, performance.now());
    if (performance.now() - stoppedAt > diskStallMs) return false;
    await delay(pausedPollMs);
  }
  return true;
}
