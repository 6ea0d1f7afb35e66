// Stops and removes a container and verifies that it is gone. Needs only the journal entry. Works at any point of the
// container's life.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { ObligationEntry, Release, ReleaseOptions } from '../../calls/contract/ports.ts';
import { delay } from '../support/delay.ts';
import type { Connection } from './connect.ts';
import { runLabel } from './create-options.ts';
import { engineMessage, httpStatus, isUnreachable } from './engine-error.ts';
import { signalOtherProcesses } from './signal-processes.ts';

/** Time after the grace for the removal to succeed. */
export interface ReleaseLimits {
  readonly releaseMs: number;
}

const pollMs = 50;
/** Time for the run to read the exit code and the last output before the container is removed. */
const readOutputMs = 2_000;
/** Time after which the stop signal also goes to processes that the init of the container does not signal. */
const signalOthersMs = 250;

/**
 * Ends and removes the container, and repeats this until the container no longer exists and no creation is pending. One
 * check is not enough, because the engine may be creating the container at that moment.
 */
export async function releaseContainer(
  engine: Connection,
  entry: ObligationEntry,
  options: ReleaseOptions & ReleaseLimits,
): Promise<Release> {
  const creation = trackSettled(options.pending);
  const deadline = performance.now() + options.stop.graceMs + options.releaseMs;
  let step = journaledEndStep(entry);
  let reason = 'it still exists';
  try {
    // Wait one event-loop turn, so that an already settled promise counts as settled. This saves a second check.
    await Promise.race([creation.done, nextTurn()]);
    for (;;) {
      const settled = creation.settled;
      const containers = await findContainers(engine, entry);
      if (containers.length === 0 && settled) return { how: step };
      if (performance.now() > deadline)
        return { left: containers.length === 0 ? 'creation may still be in progress' : reason };
      for (const container of containers) {
        step = await endContainer(engine, container, { ...options, pending: creation.done });
        reason = (await removeContainer(engine, container.Id)) ?? reason;
      }
      if (containers.length === 0) await Promise.race([creation.done, delay(pollMs)]);
    }
  } catch (error) {
    return isUnreachable(error)
      ? engineUnreachable(entry)
      : { left: `${entry.id} may still exist: ${engineMessage(error)}` };
  }
}

/**
 * Journal key for the step after which a container no longer ran. Set when a container is removed without a stop
 * signal.
 */
export const endStepKey = 'removedAfter';

function journaledEndStep({ facts }: ObligationEntry): string {
  const step = facts[endStepKey];
  if (typeof step === 'string') return step;
  return typeof facts['container'] === 'string' ? 'gone' : 'never created';
}

/** Returns the result of a release when the engine does not answer. */
export function engineUnreachable(entry: ObligationEntry): Release {
  return { left: `${entry.id} may still exist: the Docker engine does not answer` };
}

export function trackSettled(creation: Promise<unknown>): { readonly settled: boolean; readonly done: Promise<void> } {
  const state = {
    settled: false,
    done: creation.then(
      () => {},
      () => {},
    ),
  };
  void state.done.then(() => {
    state.settled = true;
  });
  return state;
}

async function findContainers(engine: Connection, entry: ObligationEntry): Promise<Docker.ContainerInfo[]> {
  const filters = { label: [`${runLabel}=${entry.run}`], name: [`^/?${entry.id.replaceAll('.', '\\.')}$`] };
  return engine.docker.listContainers({ all: true, filters });
}

type EndOptions = ReleaseOptions & { readonly pending: Promise<void> };

/**
 * Ends the container, then gives the run time to read its output. Returns the step after which the container no longer
 * ran.
 */
async function endContainer(engine: Connection, container: Docker.ContainerInfo, options: EndOptions): Promise<string> {
  if (container.State === 'created') return 'removed';
  const finished = container.State === 'exited' || container.State === 'dead' || container.State === 'removing';
  const step = finished ? 'exited' : await stopRunning(engine.docker.getContainer(container.Id), options);
  await Promise.race([options.pending, delay(readOutputMs, { unref: true })]);
  return step;
}

/**
 * Sends the stop signal and, after the grace, SIGKILL. The engine's own stop command counts whole seconds, and nothing
 * can cut its grace short.
 */
async function stopRunning(container: Docker.Container, { stop, force }: EndOptions): Promise<string> {
  const finished = new AbortController();
  const ended = waitForEnd(container, finished.signal);
  try {
    const signalled =
      !force.aborted && stop.signal !== 'SIGKILL' && stop.graceMs > 0 && (await kill(container, stop.signal));
    if (signalled && (await endsInGrace(container, ended, { stop, force }))) return stop.signal;
    await kill(container, 'SIGKILL');
    await endedWithin(ended, readOutputMs);
    return 'SIGKILL';
  } finally {
    finished.abort();
  }
}

/**
 * Waits for the end of a container that has received the stop signal. If it does not end soon, the signal also goes to
 * the processes that the init did not signal. Returns false when the grace is over.
 */
async function endsInGrace(
  container: Docker.Container,
  ended: Promise<boolean>,
  { stop: { signal, graceMs }, force }: Pick<ReleaseOptions, 'stop' | 'force'>,
): Promise<boolean> {
  const graceUntil = performance.now() + graceMs;
  if (await endedWithin(ended, Math.min(graceMs, signalOthersMs), force)) return true;
  // Do not wait for this: a busy engine must not delay SIGKILL.
  void signalOtherProcesses(container, signal);
  return endedWithin(ended, Math.max(0, graceUntil - performance.now()), force);
}

/** Resolves with true when the container has ended or the request fails, and with false when `finished` is aborted. */
async function waitForEnd(container: Docker.Container, finished: AbortSignal): Promise<boolean> {
  return container.wait({ condition: 'not-running', abortSignal: finished }).then(
    () => true,
    () => !finished.aborted,
  );
}

/**
 * Sends a signal. Returns false if the engine reports an error, usually because the container does not run. Throws if
 * the engine does not answer.
 */
async function kill(container: Docker.Container, signal: string): Promise<boolean> {
  try {
    await container.kill({ signal });
    return true;
  } catch (error) {
    if (isUnreachable(error)) throw error;
    return false;
  }
}

async function endedWithin(ended: Promise<boolean>, ms: number, force?: AbortSignal): Promise<boolean> {
  const timeout = new AbortController();
  const signal = force === undefined ? timeout.signal : AbortSignal.any([timeout.signal, force]);
  try {
    return await Promise.race([ended, delay(ms, { signal }).then(() => false)]);
  } finally {
    timeout.abort();
  }
}

/**
 * Returns why the container could not be removed; undefined if it is gone (404) or being removed (409). Throws if the
 * engine does not answer.
 */
export async function removeContainer(engine: Connection, id: string): Promise<string | undefined> {
  try {
    await engine.docker.getContainer(id).remove({ force: true, v: true });
    return undefined;
  } catch (error) {
    if (isUnreachable(error)) throw error;
    const status = httpStatus(error);
    if (status === 404) return undefined;
    await delay(pollMs);
    return status === 409 && /already in progress/.test(engineMessage(error)) ? undefined : engineMessage(error);
  }
}
