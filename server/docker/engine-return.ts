// Waits until an engine that was lost answers again. Meanwhile, its containers may keep running.

import type Docker from 'dockerode';
import { WorkLost } from '../../calls/contract/engines.ts';
import { delay } from '../support/delay.ts';
import { httpStatus } from './engine-error.ts';

const retryMs = 500;
const answerMs = 3_000;

/** The exit code that the engine reports for a container that ended while the engine was not running. */
const placeholderExitCode = 255;

export interface EngineWait {
  readonly container: Docker.Container;
  /** Aborted when the result is no longer needed. */
  readonly signal: AbortSignal;
  /** Called once, when the engine has not answered the first request. */
  readonly onLost: () => void;
}

export type ContainerState = Docker.ContainerInspectInfo['State'];

/**
 * Returns the state of a container as soon as the engine answers; `gone` if it has no such container; undefined if the
 * signal is aborted first. Never rejects.
 */
export async function waitForEngine({
  container,
  signal,
  onLost,
}: EngineWait): Promise<ContainerState | 'gone' | undefined> {
  for (let isLost = false; !signal.aborted; ) {
    const noAnswer = delay(answerMs, { signal, unref: true }).then(() => 'no answer' as const);
    const state = await Promise.race([inspectOnce(container), noAnswer]);
    if (state !== 'no answer') return state;
    if (!isLost) onLost();
    isLost = true;
    await delay(retryMs, { signal });
  }
  return undefined;
}

/**
 * Throws WorkLost for exit code 255, because the engine also reports 255 when it does not know the exit code. A program
 * that itself exits with 255 therefore counts as lost.
 */
export function assertExitIsKnown(exitCode: number): void {
  if (exitCode === placeholderExitCode)
    throw new WorkLost('the container ended while the Docker engine was not running, so its exit code is not known');
}

async function inspectOnce(container: Docker.Container): Promise<ContainerState | 'gone' | 'no answer'> {
  try {
    return (await container.inspect()).State;
  } catch (error) {
    // An engine that is starting or stopping may answer with a server error.
    return httpStatus(error) === 404 ? 'gone' : 'no answer';
  }
}
