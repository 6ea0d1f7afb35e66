// Pulls an image with progress, timeout and registry login. A pull stops at once when its signal is aborted.

import type { RegistryLogin } from '../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import type { RunPorts } from '../../../calls/contract/ports.ts';
import type { Connection } from '../connect.ts';
import { parseImageReference } from '../create-options.ts';
import { engineMessage, isUnreachable } from '../engine-error.ts';
import { readJsonLines } from './json-lines.ts';
import { type PullMessage, PullProgress } from './pull-progress.ts';
import { maskPasswords, registryAuth } from './registry-auth.ts';

export interface PullOptions {
  readonly image: string;
  readonly pullMs: number;
  readonly login?: RegistryLogin;
  readonly signal: AbortSignal;
  readonly onMessage?: (message: PullMessage) => void;
}

/**
 * Resolves when the engine has the image. Rejects with WorkFailed if the pull fails, takes longer than `pullMs`, or is
 * aborted.
 */
export async function pullImage(engine: Connection, options: PullOptions): Promise<void> {
  const { image, pullMs, signal, login } = options;
  const timeout = AbortSignal.timeout(pullMs);
  const toError = (why: string): WorkFailed =>
    new WorkFailed(`cannot pull "${image}": ${maskPasswords(why, login === undefined ? [] : [login])}`);
  try {
    await readPull(engine, options, AbortSignal.any([signal, timeout]));
  } catch (error) {
    if (signal.aborted) throw toError('the pull was stopped');
    if (timeout.aborted) throw toError(`not finished after ${pullMs} ms; raise limits.pullMs`);
    throw toError(
      error instanceof PullError || !isUnreachable(error)
        ? engineMessage(error)
        : 'lost the connection to the Docker engine',
    );
  }
}

/** An error that the engine reports within a response of status 200: it sends the status before the pull begins. */
class PullError extends Error {}

async function readPull(
  engine: Connection,
  { image, login, onMessage }: PullOptions,
  abort: AbortSignal,
): Promise<void> {
  const response = (await engine.dial({
    // Send the parameters in the query, because the engine does not read the body. With unread data, the engine does
    // not notice a closed connection, and would continue an aborted pull.
    path: `/images/create?${new URLSearchParams({ ...parseImageReference(image) })}&`,
    method: 'POST',
    isStream: true,
    abortSignal: abort,
    ...(login !== undefined && { headers: { 'X-Registry-Auth': registryAuth(login) } }),
    statusCodes: { 200: true, 404: 'no such image', 500: 'server error' },
  })) as AsyncIterable<Buffer>;
  for await (const message of readJsonLines<PullMessage>(response)) {
    if (message.error !== undefined) throw new PullError(message.error);
    onMessage?.(message);
  }
  abort.throwIfAborted();
}

type PullPorts = Pick<RunPorts, 'signal' | 'events'>;

/**
 * Pulls the image of a call's container and emits the progress as events of the run. Also resolves when the run is
 * stopping; otherwise rejects with the same errors as `pullImage`.
 */
export async function pullForRun(
  engine: Connection,
  { signal, events }: PullPorts,
  options: { image: string; pullMs: number },
): Promise<void> {
  const { image } = options;
  const startedAt = performance.now();
  events.emit('image-pulling', { image });
  const progress = new PullProgress((status) => events.emit('image-progress', { image, ...status }));
  try {
    await pullImage(engine, { ...options, signal, onMessage: (message) => progress.add(message) });
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  events.emit('image-pulled', { image, ms: Math.round(performance.now() - startedAt) });
}
