// Ending a container and looking that it is gone: from its journal entry alone, at whichever moment of its life.

import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { ObligationEntry, Release, ReleaseManner } from '../../calls/contract/ports.ts';
import type { Connection } from './connect.ts';
import { isUnreachable, saidBy, statusOf } from './failure.ts';
import { runLabel } from './options.ts';

/** Beyond the grace; how long a container may refuse to be removed. */
export interface ReleaseBounds {
  readonly releaseMs: number;
}

const lookMs = 50;
/** For the flow to read the exit code and the last output, before the container takes them with it. */
const readMs = 2_000;

/**
 * Looks and ends what is there, again and again, until nothing is coming into being any more and nothing is there.
 * One look may be too early: the engine may be creating the container right now.
 */
export async function releaseContainer(
  engine: Connection, entry: ObligationEntry, how: ReleaseManner & ReleaseBounds,
): Promise<Release> {
  const flow = settling(how.flow);
  const deadline = Date.now() + how.stop.graceMs + how.releaseMs;
  let step = stepBefore(entry);
  let why = 'it is still there';
  try {
    // What has settled is known to have a moment later; without that, what is long over would be looked for twice.
    await Promise.race([flow.done, turn()]);
    for (;;) {
      const settled = flow.settled;
      const found = await list(engine, entry);
      if (found.length === 0 && settled) return { how: step };
      if (Date.now() > deadline) return { left: found.length === 0 ? 'it may still be coming into being' : why };
      for (const one of found) {
        step = await end(engine, one, { ...how, flow: flow.done });
        why = (await remove(engine, one.Id)) ?? why;
      }
      if (found.length === 0) await Promise.race([flow.done, pause(lookMs)]);
    }
  } catch (error) {
    return isUnreachable(error) ? unanswered(entry) : { left: `${entry.id} may still be there: ${saidBy(error)}` };
  }
}

/** Learnt when a container is removed without asking it to stop: the step after which it did not run any more. */
export const removedAfter = 'removedAfter';

function stepBefore({ facts }: ObligationEntry): string {
  const step = facts[removedAfter];
  if (typeof step === 'string') return step;
  return typeof facts['container'] === 'string' ? 'gone' : 'never created';
}

/** What is told when there was nobody to ask. */
export function unanswered(entry: ObligationEntry): Release {
  return { left: `${entry.id} may still be there: the Docker engine does not answer` };
}

export function settling(flow: Promise<unknown>): { readonly settled: boolean; readonly done: Promise<void> } {
  const state = { settled: false, done: flow.then(() => {}, () => {}) };
  void state.done.then(() => { state.settled = true; });
  return state;
}

async function list(engine: Connection, entry: ObligationEntry): Promise<Docker.ContainerInfo[]> {
  const filters = { label: [`${runLabel}=${entry.run}`], name: [`^/?${entry.id.replaceAll('.', '\\.')}$`] };
  return engine.docker.listContainers({ all: true, filters });
}

type Ending = ReleaseManner & { readonly flow: Promise<void> };

/** Ends it, and gives the flow time to read; returns the step after which it did not run any more. */
async function end(engine: Connection, found: Docker.ContainerInfo, manner: Ending): Promise<string> {
  if (found.State === 'created') return 'removed';
  const over = found.State === 'exited' || found.State === 'dead' || found.State === 'removing';
  const step = over ? 'exited' : await endRunning(engine.docker.getContainer(found.Id), manner);
  await Promise.race([manner.flow, pause(readMs, undefined, { ref: false })]);
  return step;
}

/** Stop signal, grace, SIGKILL. Not the engine's own stop: that counts whole seconds, and its grace cannot be cut short. */
async function endRunning(container: Docker.Container, { stop, hurry }: Ending): Promise<string> {
  const over = new AbortController();
  const ended = endOf(container, over.signal);
  try {
    const asked = !hurry.aborted && stop.signal !== 'SIGKILL' && stop.graceMs > 0 && (await kill(container, stop.signal));
    if (asked && (await endedWithin(ended, stop.graceMs, hurry))) return stop.signal;
    await kill(container, 'SIGKILL');
    await endedWithin(ended, readMs);
    return 'SIGKILL';
  } finally {
    over.abort();
  }
}

/** True when the container does not run any more; false when that was not learnt. */
async function endOf(container: Docker.Container, over: AbortSignal): Promise<boolean> {
  return container.wait({ condition: 'not-running', abortSignal: over }).then(() => true, () => over.aborted ? false : true);
}

/** False when it was not running: it cannot be waited for, only removed. */
async function kill(container: Docker.Container, signal: string): Promise<boolean> {
  try {
    await container.kill({ signal });
    return true;
  } catch (error) {
    if (isUnreachable(error)) throw error;
    return false;
  }
}

async function endedWithin(ended: Promise<boolean>, ms: number, hurry?: AbortSignal): Promise<boolean> {
  const enough = new AbortController();
  const signal = hurry === undefined ? enough.signal : AbortSignal.any([enough.signal, hurry]);
  try {
    return await Promise.race([ended, pause(ms, false, { signal }).catch(() => false)]);
  } finally {
    enough.abort();
  }
}

/** Why it could not be removed, if so. That it is gone (404) or going (409) is what is wanted. Throws when there is no answer. */
export async function remove(engine: Connection, id: string): Promise<string | undefined> {
  try {
    await engine.docker.getContainer(id).remove({ force: true, v: true });
    return undefined;
  } catch (error) {
    if (isUnreachable(error)) throw error;
    const status = statusOf(error);
    if (status === 404) return undefined;
    await pause(lookMs);
    return status === 409 && /already in progress/.test(saidBy(error)) ? undefined : saidBy(error);
  }
}
