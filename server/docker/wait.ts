// Waits until a container exits. Returns its exit code, OOM flag and whether output was lost.

import type { Socket } from 'node:net';
import type Docker from 'dockerode';
import { type Exit, WorkLost } from '../../calls/contract/engines.ts';
import type { Output } from '../../calls/contract/ports.ts';
import { delay } from '../support/delay.ts';
import { engineMessage, httpStatus, isUnreachable } from './engine-error.ts';
import { wasOomKilled } from './memory/oom-kill.ts';
import type { ContainerRef, OpenStreams } from './start.ts';
import { findStartError } from './start-error.ts';
import { type ExitWatch, OutputHead, pumpOutput, type SourceBytes } from './streams.ts';

export interface ContainerEnd {
  readonly exit: Exit;
  /**
   * True if the container was stopped before its exit was observed. Its exit and missing output may then be results of
   * the stop.
   */
  readonly stopped: boolean;
  /** True if reading the output failed, so that the end of the output may be missing. False after a stop. */
  readonly outputLost: boolean;
  /** Why the command of the container could not be started. Absent if the command was started. */
  readonly startError?: string;
}

/** The connection to the engine was lost. The container may keep running. */
export interface ConnectionLost {
  readonly connection: 'lost';
  /** Number of bytes of each stream that were forwarded. */
  readonly forwarded: SourceBytes;
}

export const removedByAnother = 'the container was removed by another program before its exit code was known';

/**
 * Waits for the exit and the output of a started container. Rejects with WorkLost when the exit code cannot be
 * determined although the engine answers.
 */
export async function waitForContainer(
  ref: ContainerRef,
  streams: OpenStreams,
  output: Output,
): Promise<ContainerEnd | ConnectionLost> {
  const head = new OutputHead();
  const pumped = pumpOutput(streams.socket, output, head).then(
    () => undefined,
    (error: unknown) => error ?? new Error('output lost'),
  );
  const exitCode = await waitForExitCode(ref.container, streams.watch, pumped);
  if (exitCode === 'lost') {
    // Frames that have arrived are still forwarded, so that the count is complete.
    streams.socket.destroy();
    await pumped;
    return { connection: 'lost', forwarded: { ...head.forwarded } };
  }
  const stopped = ref.stopping.aborted;
  if (exitCode === undefined && !stopped) throw new WorkLost(removedByAnother);
  const [oomKilled] = await Promise.all([
    waitForOomKill(ref, streams, exitCode),
    waitForOutput(pumped, streams.socket, output),
  ]);
  const startError = findStartError(head, exitCode);
  return {
    exit: { ...(exitCode !== undefined && { exitCode }), ...(oomKilled && { oomKilled }) },
    stopped,
    // After a stop, the releaser may have cut the stream, which does not count as lost output.
    outputLost: !ref.stopping.aborted && (await Promise.race([pumped, undefined])) !== undefined,
    ...(startError !== undefined && { startError }),
  };
}

const pollMs = 1_000;

/**
 * Resolves with the exit code; undefined if the container is gone; `lost` if the connection to the engine is lost.
 * Waits for the engine's wait request. Also polls the container after its output has ended: some containers close their
 * output before they end.
 */
async function waitForExitCode(
  container: Docker.Container,
  watch: ExitWatch,
  pumped: Promise<unknown>,
): Promise<number | 'lost' | undefined> {
  const reported = watch.exitCode.catch(() => 'lost' as const);
  const code = await Promise.race([reported, pumped.then(pollDelay)]);
  if (code !== undefined) return code;
  for (;;) {
    const state = await inspectState(container);
    if (state === 'lost') return 'lost';
    if (state === 'gone') return undefined;
    if (!state.Running) return state.ExitCode;
    const exitCode = await Promise.race([reported, pollDelay()]);
    if (exitCode !== undefined) return exitCode;
  }
}

async function pollDelay(): Promise<undefined> {
  await delay(pollMs, { unref: true });
}

async function inspectState(
  container: Docker.Container,
): Promise<{ Running: boolean; ExitCode: number; OOMKilled: boolean } | 'gone' | 'lost'> {
  try {
    return (await container.inspect()).State;
  } catch (error) {
    if (httpStatus(error) === 404) return 'gone';
    if (isUnreachable(error)) return 'lost';
    throw new WorkLost(`the Docker engine does not report how the container ended: ${engineMessage(error)}`, {
      cause: error,
    });
  }
}

const sigkillExitCode = 137;
const lateOomMs = 200;

/** Returns true if a process of the container was killed for lack of memory. */
async function waitForOomKill(
  { container, stopping, memoryBytes }: ContainerRef,
  { oom }: OpenStreams,
  exitCode: number | undefined,
): Promise<boolean> {
  // Without a memory limit, only the whole machine can run out of memory. A container that then exits with 0 counts as
  // not killed.
  if (exitCode === 0 && memoryBytes === undefined) return false;
  const state = await inspectState(container).catch(() => 'gone' as const);
  if (await wasOomKilled(container.id, typeof state === 'object' ? state : undefined)) return true;
  if (oom === undefined) return false;
  // Docker usually reports the event before it answers the inspection above. On a busy machine the event may follow, so
  // wait for it briefly.
  if (exitCode === sigkillExitCode && !stopping.aborted && !oom.isKilled())
    await Promise.race([oom.killed, delay(lateOomMs, { unref: true })]);
  return oom.isKilled();
}

const quietMs = 5_000;

/**
 * Waits until the output ends, or until `quietMs` pass with neither new output nor back-pressure. The engine sometimes
 * leaves the stream of an exited container open.
 */
async function waitForOutput(pumped: Promise<unknown>, socket: Socket, output: Output): Promise<void> {
  let bytesBefore = -1;
  let ended = false;
  void pumped.then(() => {
    ended = true;
  });
  while (!ended && (socket.bytesRead !== bytesBefore || output.full)) {
    bytesBefore = socket.bytesRead;
    const quiet = new AbortController();
    await Promise.race([pumped, delay(quietMs, { signal: quiet.signal })]);
    quiet.abort();
  }
}
