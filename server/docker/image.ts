// Pulling an image: progress, a timeout, a login where the registry wants one, and an end at once when nobody wants it any more.

import type { RegistryLogin } from '../../calls/contract/containers.ts';
import { WorkFailed } from '../../calls/contract/engines.ts';
import type { RunPorts } from '../../calls/contract/ports.ts';
import type { Connection } from './connect.ts';
import { isUnreachable, saidBy } from './failure.ts';
import { oneLogin, withoutPasswords } from './login.ts';
import { messages } from './messages.ts';
import { imageReference } from './options.ts';
import { PullProgress, type PullMessage } from './pull-progress.ts';

export interface PullWish {
  readonly image: string;
  readonly pullMs: number;
  readonly login?: RegistryLogin;
  readonly signal: AbortSignal;
  readonly onMessage?: (message: PullMessage) => void;
}

/** Resolves when the engine has the image. Throws WorkFailed with the engine's reason, also when the signal is aborted. */
export async function pullImage(engine: Connection, wish: PullWish): Promise<void> {
  const { image, pullMs, signal, login } = wish;
  const timeout = AbortSignal.timeout(pullMs);
  const failed = (why: string): WorkFailed => new WorkFailed(`cannot pull "${image}": ${withoutPasswords(why, login === undefined ? [] : [login])}`);
  try {
    await read(engine, wish, AbortSignal.any([signal, timeout]));
  } catch (error) {
    if (signal.aborted) throw failed('it was stopped');
    if (timeout.aborted) throw failed(`not done after ${pullMs} ms; limits.pullMs allows more`);
    throw failed(error instanceof PullRefused || !isUnreachable(error) ? saidBy(error) : 'the engine broke off');
  }
}

/** Said in the middle of the answer, which was 200 before the pull began: a failure is just one more message. */
class PullRefused extends Error {}

async function read(engine: Connection, { image, login, onMessage }: PullWish, abort: AbortSignal): Promise<void> {
  const answer = (await engine.dial({
    // No body, which is what dockerode's own method sends: the engine does not read it, and as long as there is something
    // to be read it does not notice that we have hung up, so the pull would go on.
    path: `/images/create?${new URLSearchParams({ ...imageReference(image) })}&`,
    method: 'POST',
    isStream: true,
    abortSignal: abort,
    ...(login !== undefined && { headers: { 'X-Registry-Auth': oneLogin(login) } }),
    statusCodes: { 200: true, 404: 'no such image', 500: 'server error' },
  })) as AsyncIterable<Buffer>;
  for await (const message of messages<PullMessage>(answer)) {
    if (message.error !== undefined) throw new PullRefused(message.error);
    onMessage?.(message);
  }
  abort.throwIfAborted();
}

type PullPorts = Pick<RunPorts, 'signal' | 'events'>;

/** For the one container of a run: how far it is, is told as events of the run. Resolves also when the run is to stop; otherwise throws as `pullImage`. */
export async function pull(engine: Connection, { signal, events }: PullPorts, wanted: { image: string; pullMs: number }): Promise<void> {
  const { image } = wanted;
  const begun = performance.now();
  events.emit('image-pulling', { image });
  const progress = new PullProgress((facts) => events.emit('image-progress', { image, ...facts }));
  try {
    await pullImage(engine, { ...wanted, signal, onMessage: (message) => progress.take(message) });
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  events.emit('image-pulled', { image, ms: Math.round(performance.now() - begun) });
}
