// A container that runs is looked on to its end: all of its output, its exit code, and whether memory ran out.

import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type Docker from 'dockerode';
import { WorkLost, type Exit } from '../../calls/contract/engines.ts';
import type { Output } from '../../calls/contract/ports.ts';
import { pumpOutput, type ExitWatch } from './attach.ts';
import type { Life, Open } from './begin.ts';
import { isUnreachable, saidBy, statusOf } from './failure.ts';
import { StartFailure } from './start-failure.ts';

export interface Ending {
  readonly exit: Exit;
  /** It was to end before its end was seen: of what happened to it, and to its output, not all is its own doing. */
  readonly stopped: boolean;
  /** Output came after what was passed on. */
  readonly outputLost: boolean;
  /** Why its command could not be started, if so. */
  readonly startFailure?: string;
}

/** Throws WorkLost when its end cannot be known. */
export async function followContainer(life: Life, open: Open, output: Output): Promise<Ending> {
  const heard = new StartFailure(output);
  const pumped = pumpOutput(open.socket, heard).then(() => undefined, (error: unknown) => error ?? new Error('output lost'));
  const exitCode = await exitOf(life.container, open.watch, pumped);
  const stopped = life.over();
  if (exitCode === undefined && !stopped) throw new WorkLost('the container was removed by somebody else before its exit code was seen');
  const [oomKilled] = await Promise.all([wasOomKilled(life, exitCode), settledOrQuiet(pumped, open.socket, output)]);
  const startFailure = heard.reason(exitCode);
  return {
    exit: { ...(exitCode !== undefined && { exitCode }), ...(oomKilled && { oomKilled }) },
    stopped,
    // Of a container that was to end, the releaser may have cut the stream.
    outputLost: !life.over() && (await Promise.race([pumped, undefined])) !== undefined,
    ...(startFailure !== undefined && { startFailure }),
  };
}

const lookMs = 1_000;

/** Told by the engine; or looked up, when output has ended and nothing was told, as after a lost connection. */
async function exitOf(container: Docker.Container, watch: ExitWatch, pumped: Promise<unknown>): Promise<number | undefined> {
  const told = watch.exitCode.catch(() => undefined);
  const code = await Promise.race([told, pumped.then(awhile)]);
  if (code !== undefined) return code;
  for (;;) {
    const state = await look(container);
    if (state === 'gone') return undefined;
    if (!state.Running) return state.ExitCode;
    const late = await Promise.race([told.then((value) => value ?? awhile()), awhile()]);
    if (late !== undefined) return late;
  }
}

async function awhile(): Promise<undefined> {
  await pause(lookMs, undefined, { ref: false });
}

async function look(container: Docker.Container): Promise<{ Running: boolean; ExitCode: number; OOMKilled: boolean } | 'gone'> {
  try {
    return (await container.inspect()).State;
  } catch (error) {
    if (statusOf(error) === 404) return 'gone';
    const why = isUnreachable(error) ? 'the Docker engine went away while the container was running' : `the Docker engine does not say how the container ended: ${saidBy(error)}`;
    throw new WorkLost(why, { cause: error });
  }
}

const killedBySigkill = 137;
const oomLateMs = 2_000;
const oomLookMs = 50;

/**
 * Has to be read before the container is removed; a process killed for memory need not be the one whose exit code we have. The engine hears of
 * it apart from the exit, and may tell it later: a container with a bound that was killed by nobody we know is looked at again.
 */
async function wasOomKilled({ container, over, memoryBytes }: Life, exitCode: number | undefined): Promise<boolean> {
  // Without a bound of its own only the whole machine can have run out, and what ended well was not hit.
  if (exitCode === 0 && memoryBytes === undefined) return false;
  const until = performance.now() + (exitCode === killedBySigkill && memoryBytes !== undefined ? oomLateMs : 0);
  for (;;) {
    const state = await look(container).catch(() => 'gone' as const);
    if (state === 'gone' || state.OOMKilled) return state !== 'gone';
    if (over() || performance.now() >= until) return false;
    await pause(oomLookMs);
  }
}

const quietMs = 5_000;

/** All output, for as long as it comes: engines have been seen to leave the stream of an ended container open. */
async function settledOrQuiet(pumped: Promise<unknown>, socket: Socket, output: Output): Promise<void> {
  let seen = -1;
  let ended = false;
  void pumped.then(() => { ended = true; });
  while (!ended && (socket.bytesRead !== seen || output.full)) {
    seen = socket.bytesRead;
    const quiet = new AbortController();
    await Promise.race([pumped, pause(quietMs, undefined, { signal: quiet.signal }).catch(() => {})]);
    quiet.abort();
  }
}
