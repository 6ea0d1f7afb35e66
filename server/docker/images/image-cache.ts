// Finds images on the engine or pulls them. Simultaneous requests for one image share a pull.

import { createHash } from 'node:crypto';
import type { ImageRequest } from '../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { untilAborted } from '../../support/until-aborted.ts';
import type { Connection } from '../connect.ts';
import { engineFailure, httpStatus } from '../engine-error.ts';
import { pullImage } from './pull.ts';

/** Properties of an image that matter for its containers. */
export interface ImageInfo {
  /** `USER` of the image. Empty means root. */
  readonly user: string;
}

export class ImageCache {
  readonly #pullMs: number;
  readonly #pulls = new Map<string, SharedPull>();

  constructor(pullMs: number) {
    this.#pullMs = pullMs;
  }

  /**
   * Resolves when the engine has the image. Rejects with WorkFailed if the image is not available or the signal is
   * aborted. An abort affects only this request.
   */
  async ensureImage(engine: Connection, request: ImageRequest): Promise<ImageInfo> {
    const { image, signal } = request;
    const stopped = (): WorkFailed => new WorkFailed(`cannot pull "${image}": the pull was stopped`);
    if (signal.aborted) throw stopped();
    const key = pullKey(engine, request);
    const sharedPull = this.#pulls.get(key) ?? this.#startPull(key, engine, request);
    try {
      sharedPull.join(request.onPull);
      return await untilAborted(signal, sharedPull.done, () => Promise.reject(stopped()));
    } finally {
      sharedPull.leave();
    }
  }

  #startPull(key: string, engine: Connection, request: ImageRequest): SharedPull {
    const sharedPull = new SharedPull(
      (signal, onPull) => findOrPull(engine, { ...request, signal, onPull }, this.#pullMs),
      () => {
        // A later request must start a new pull instead of joining one that was abandoned.
        if (this.#pulls.get(key) === sharedPull) this.#pulls.delete(key);
      },
    );
    this.#pulls.set(key, sharedPull);
    return sharedPull;
  }
}

/**
 * Returns the key of a shared pull. The key includes the login, so that a request without the login cannot join a pull
 * that has it.
 */
function pullKey(engine: Connection, { image, pull, login }: ImageRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([engine.host, image, pull, login?.username, login?.password]))
    .digest('hex');
}

/** One lookup and, if necessary, one pull for all requests of the same image. Ends when the last request leaves. */
class SharedPull {
  readonly done: Promise<ImageInfo>;
  readonly #abandoned = new AbortController();
  readonly #forget: () => void;
  readonly #onPullListeners: (() => void)[] = [];
  #waiting = 0;
  #pulling = false;

  constructor(work: (signal: AbortSignal, onPull: () => void) => Promise<ImageInfo>, forget: () => void) {
    this.#forget = forget;
    this.done = work(this.#abandoned.signal, () => this.#notify()).finally(forget);
    this.done.catch(() => {});
  }

  join(onPull: () => void): void {
    this.#waiting += 1;
    if (this.#pulling) onPull();
    else this.#onPullListeners.push(onPull);
  }

  leave(): void {
    this.#waiting -= 1;
    if (this.#waiting > 0) return;
    this.#abandoned.abort();
    this.#forget();
  }

  #notify(): void {
    this.#pulling = true;
    for (const onPull of this.#onPullListeners.splice(0)) onPull();
  }
}

async function findOrPull(
  engine: Connection,
  { image, pull, login, signal, onPull }: ImageRequest,
  pullMs: number,
): Promise<ImageInfo> {
  const present = pull === 'always' ? undefined : await inspectImage(engine, image);
  if (present !== undefined) return present;
  if (pull === 'never')
    throw new WorkFailed(`the Docker engine has no image "${image}", and "pull: never" forbids pulling it`);
  onPull();
  await pullImage(engine, { image, pullMs, signal, ...(login !== undefined && { login }) });
  const pulled = await inspectImage(engine, image);
  if (pulled === undefined)
    throw new WorkFailed(`the Docker engine no longer has image "${image}", although it was pulled`);
  return pulled;
}

const plainName = /^[\w.\-:@]+(?:\/[\w.\-:@]+)*$/;

/** Returns undefined when the engine does not have the image. */
async function inspectImage(engine: Connection, image: string): Promise<ImageInfo | undefined> {
  // The name becomes part of a URL path, so only plain names are looked up. The engine reports invalid names when asked
  // to pull them.
  if (!plainName.test(image) || image.split('/').some((part) => /^\.+$/.test(part))) return undefined;
  try {
    const { Config } = await engine.docker.getImage(image).inspect();
    return { user: (Config as { User?: string } | null)?.User ?? '' };
  } catch (error) {
    if (httpStatus(error) === 404) return undefined;
    throw engineFailure(`cannot look up the image "${image}"`, error);
  }
}
