// Finds out whether a process of a container was killed for lack of memory: from the kernel, and from the engine.

import type { IncomingMessage } from 'node:http';
import type { Connection } from '../connect.ts';
import type { ContainerState } from '../engine-return.ts';
import { kernelLog } from './kernel-log.ts';

/**
 * Returns true if a process of an ended container was killed for lack of memory. That need not be the process whose
 * exit code the container has. `state` is the engine's state of the container, if known. The flag of `state` can be
 * false after such a kill: the engine reads the cgroup, which may be gone by then. This function therefore also checks
 * the kernel log.
 */
export async function wasOomKilled(id: string, state: Pick<ContainerState, 'OOMKilled'> | undefined): Promise<boolean> {
  return state?.OOMKilled === true || (await kernelLog.hasOomKill(id));
}

/** Watches the events by which the engine reports that a process of a container was killed for lack of memory. */
export interface OomWatch {
  /** Resolves at the first event. Remains pending without one. */
  readonly killed: Promise<void>;
  readonly isKilled: () => boolean;
  stop(): void;
}

/**
 * Resolves when the engine watches the container. Call this before the start of the container. Abort `opening` if the
 * watch is no longer needed before it is open.
 */
export async function watchOom(
  engine: Connection,
  id: string,
  { opening }: { readonly opening: AbortSignal },
): Promise<OomWatch> {
  const stopping = new AbortController();
  const filters = encodeURIComponent(JSON.stringify({ container: [id], event: ['oom'] }));
  const response = (await engine.dial({
    path: `/events?filters=${filters}&`,
    method: 'GET',
    isStream: true,
    abortSignal: AbortSignal.any([stopping.signal, opening]),
    statusCodes: { 200: true, 500: 'server error' },
  })) as IncomingMessage;
  let isKilled = false;
  const killed = new Promise<void>((resolve) => {
    response
      .on('error', () => {})
      .on('data', () => {
        isKilled = true;
        resolve();
      });
  });
  return { killed, isKilled: () => isKilled, stop: () => stopping.abort() };
}
