// Images for steps: looked for here before a registry is asked, and fetched once for all who want the same one at the same time.

import { createHash } from 'node:crypto';
import type { ImageWish } from '../../calls/contract/containers.ts';
import { WorkFailed } from '../../calls/contract/engines.ts';
import type { Connection } from './connect.ts';
import { refused, statusOf } from './failure.ts';
import { pullImage } from './image.ts';

/** What of an image matters for its containers. */
export interface ImageFacts {
  /** `USER` of the image; empty: root. */
  readonly user: string;
}

export class Images {
  readonly #pullMs: number;
  readonly #fetching = new Map<string, Fetching>();

  constructor(pullMs: number) {
    this.#pullMs = pullMs;
  }

  /** Resolves when the engine has the image. Throws WorkFailed with the engine's reason, also when the signal is aborted: then for this one alone. */
  async need(engine: Connection, wish: ImageWish): Promise<ImageFacts> {
    const { image, signal } = wish;
    const stopped = (): WorkFailed => new WorkFailed(`cannot pull "${image}": it was stopped`);
    if (signal.aborted) throw stopped();
    const key = keyOf(engine, wish);
    const fetching = this.#fetching.get(key) ?? this.#fetch(key, engine, wish);
    const left = once(signal);
    try {
      fetching.join(wish.onPull);
      return await Promise.race([fetching.done, left.aborted.then(() => { throw stopped(); })]);
    } finally {
      left.forget();
      fetching.leave();
    }
  }

  #fetch(key: string, engine: Connection, wish: ImageWish): Fetching {
    const fetching = new Fetching((signal, onPull) => fetch(engine, { ...wish, signal, onPull }, this.#pullMs), () => {
      // Who comes later gets an answer of their own, and not the end of one that nobody wanted any more.
      if (this.#fetching.get(key) === fetching) this.#fetching.delete(key);
    });
    this.#fetching.set(key, fetching);
    return fetching;
  }
}

/** A login is part of it: who may not have the image must not get it by asking at the right moment. */
function keyOf(engine: Connection, { image, pull, login }: ImageWish): string {
  return createHash('sha256').update(JSON.stringify([engine.host, image, pull, login?.username, login?.password])).digest('hex');
}

/** One look and, where needed, one pull, for as many as want it; given up when the last of them has left. */
class Fetching {
  readonly done: Promise<ImageFacts>;
  readonly #nobody = new AbortController();
  readonly #forget: () => void;
  readonly #toTell: (() => void)[] = [];
  #waiting = 0;
  #pulling = false;

  constructor(work: (signal: AbortSignal, onPull: () => void) => Promise<ImageFacts>, forget: () => void) {
    this.#forget = forget;
    this.done = work(this.#nobody.signal, () => this.#tell()).finally(forget);
    this.done.catch(() => {});
  }

  join(onPull: () => void): void {
    this.#waiting += 1;
    if (this.#pulling) onPull();
    else this.#toTell.push(onPull);
  }

  leave(): void {
    this.#waiting -= 1;
    if (this.#waiting > 0) return;
    this.#nobody.abort();
    this.#forget();
  }

  #tell(): void {
    this.#pulling = true;
    for (const onPull of this.#toTell.splice(0)) onPull();
  }
}

async function fetch(engine: Connection, { image, pull, login, signal, onPull }: ImageWish, pullMs: number): Promise<ImageFacts> {
  const here = pull === 'always' ? undefined : await look(engine, image);
  if (here !== undefined) return here;
  if (pull === 'never') throw new WorkFailed(`there is no image "${image}" here, and it may not be pulled (pull: never)`);
  onPull();
  await pullImage(engine, { image, pullMs, signal, ...(login !== undefined && { login }) });
  const pulled = await look(engine, image);
  if (pulled === undefined) throw new WorkFailed(`there is no image "${image}" here any more, though it was pulled`);
  return pulled;
}

const plainName = /^[\w.\-:@]+(?:\/[\w.\-:@]+)*$/;

/** Undefined when the engine does not have it. */
async function look(engine: Connection, image: string): Promise<ImageFacts | undefined> {
  // It becomes part of a path. What is wrong with the others, the engine says when it is asked to pull them.
  if (!plainName.test(image) || image.split('/').some((part) => /^\.+$/.test(part))) return undefined;
  try {
    const { Config } = await engine.docker.getImage(image).inspect();
    return { user: (Config as { User?: string } | null)?.User ?? '' };
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw refused(`cannot look for the image "${image}"`, error);
  }
}

function once(signal: AbortSignal): { readonly aborted: Promise<void>; forget(): void } {
  let forget = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    const heard = (): void => resolve();
    signal.addEventListener('abort', heard, { once: true });
    forget = () => signal.removeEventListener('abort', heard);
  });
  return { aborted, forget };
}
