// Waits for the end of a container whose output the engine does not store. If the engine is lost, follows the container
// again when the engine is back. Output that the container prints while the engine is lost is not read.

import { WorkLost } from '../../calls/contract/engines.ts';
import type { Output } from '../../calls/contract/ports.ts';
import { isUnreachable } from './engine-error.ts';
import { assertExitIsKnown, waitForEngine } from './engine-return.ts';
import { wasOomKilled } from './memory/oom-kill.ts';
import { type ContainerRef, type OpenStreams, openStreams } from './start.ts';
import { type ContainerEnd, removedByAnother, waitForContainer } from './wait.ts';

export interface FollowDeps {
  readonly ref: ContainerRef;
  readonly output: Output;
  /** Called when the engine does not answer. */
  readonly onLost: () => void;
  /**
   * Called when the engine answers again. Output that the container printed while the engine was lost may be missing.
   */
  readonly onOutputLost: () => void;
}

/**
 * Resolves when the container has ended, or has to stop while the engine is lost. Resolves with undefined if the
 * container is released first. Closes the streams. Rejects with WorkLost if the exit code cannot be determined.
 */
export async function followToEnd(started: OpenStreams, deps: FollowDeps): Promise<ContainerEnd | undefined> {
  const released = deps.ref.released.then(() => undefined);
  for (let streams = started; ; ) {
    const ended = waitForContainer(deps.ref, streams, deps.output);
    const end = await Promise.race([ended, released]).finally(() => streams.close());
    if (end === undefined) return undefined;
    if (!('connection' in end)) return end;
    const resumed = await resume(deps);
    if ('exit' in resumed) return resumed;
    streams = resumed;
  }
}

async function resume({ ref, onLost, onOutputLost }: FollowDeps): Promise<ContainerEnd | OpenStreams> {
  for (;;) {
    const state = await waitForEngine({ container: ref.container, signal: ref.stopping, onLost });
    if (state === undefined) return { exit: {}, stopped: true, outputLost: false };
    if (state === 'gone') throw new WorkLost(removedByAnother);
    if (!state.Running) {
      onOutputLost();
      const { ExitCode: exitCode } = state;
      assertExitIsKnown(exitCode);
      const oomKilled = await wasOomKilled(ref.container.id, state);
      return { exit: { exitCode, ...(oomKilled && { oomKilled }) }, stopped: false, outputLost: false };
    }
    try {
      const streams = await openStreams(ref, { stdin: false, condition: 'not-running' });
      onOutputLost();
      return streams;
    } catch (error) {
      if (!isUnreachable(error) && !ref.stopping.aborted) throw error;
    }
  }
}
