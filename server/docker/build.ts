// Building an image from an archive with a Dockerfile, by the engine's own builder.

import { setTimeout as pause } from 'node:timers/promises';
import type { BuildWish } from '../../calls/contract/containers.ts';
import { WorkFailed } from '../../calls/contract/engines.ts';
import type { Output } from '../../calls/contract/ports.ts';
import type { Connection } from './connect.ts';
import { isUnreachable, saidBy, statusOf } from './failure.ts';
import { messages } from './messages.ts';
import { sent } from './sent.ts';

interface BuildMessage {
  readonly stream?: string;
  /** Of the image it is built from, while that is pulled. */
  readonly status?: string;
  readonly id?: string;
  readonly progressDetail?: { readonly total?: number };
  readonly error?: string;
  readonly aux?: { readonly ID?: string };
}

/** Gives the id of the image. Throws WorkFailed with the engine's reason, also when the signal is aborted; nothing of the build is left then. */
export async function buildImage(engine: Connection, wish: BuildWish): Promise<string> {
  const { signal, tag } = wish;
  const context = sent(wish.context);
  const build = new Build(wish);
  try {
    signal.throwIfAborted();
    const query = new URLSearchParams({ t: tag, dockerfile: wish.dockerfile, rm: '1', forcerm: '1' });
    const answer = (await engine.dial({
      path: `/build?${query}&`, method: 'POST', isStream: true, abortSignal: signal,
      file: context.body, headers: { 'Content-Type': 'application/x-tar' },
      statusCodes: { 200: true, 400: 'bad parameter', 500: 'server error' },
    })) as AsyncIterable<Buffer>;
    for await (const message of messages<BuildMessage>(answer)) await build.take(message);
    signal.throwIfAborted();
    return build.image ?? (await engine.docker.getImage(tag).inspect()).Id;
  } catch (error) {
    if (signal.aborted) {
      await build.cleared(engine);
      throw new WorkFailed('cannot build the image: it was stopped', { cause: error });
    }
    context.blame();
    throw new WorkFailed(`cannot build the image: ${whyNot(error)}`, { cause: error });
  } finally {
    context.drop();
  }
}

function whyNot(error: unknown): string {
  return error instanceof BuildRefused || !isUnreachable(error) ? saidBy(error) : 'the Docker engine broke off';
}

/** Said in the middle of the answer, which was 200 before the build began: a failure is just one more message. */
class BuildRefused extends Error {}

const clearMs = 5_000;
const lookMs = 25;

/** What is known of a build while it goes on. */
class Build {
  image: string | undefined;
  readonly #output: Output;
  readonly #over: Promise<void>;
  #container: string | undefined;

  constructor({ output, signal }: BuildWish) {
    this.#output = output;
    this.#over = new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }

  async take(message: BuildMessage): Promise<void> {
    if (message.error !== undefined) throw new BuildRefused(message.error);
    this.image = message.aux?.ID ?? this.image;
    this.#container = /^ ---> Running in ([0-9a-f]{12})\n$/.exec(message.stream ?? '')?.[1] ?? this.#container;
    const words = wordsOf(message);
    if (words !== '') this.#output.write('stdout', Buffer.from(words));
    if (this.#output.full) await Promise.race([this.#output.drained(), this.#over]);
  }

  /** Resolves when the container of the last step is gone: the engine removes it when it notices that nobody listens any more. */
  async cleared({ docker }: Connection): Promise<void> {
    const until = performance.now() + clearMs;
    while (this.#container !== undefined && performance.now() < until) {
      const gone = await docker.getContainer(this.#container).inspect().then(() => false, (error: unknown) => statusOf(error) === 404 || isUnreachable(error));
      if (gone) return;
      await pause(lookMs);
    }
  }
}

function wordsOf({ stream, status, id, progressDetail }: BuildMessage): string {
  // What a step prints on stderr, the engine paints red.
  if (stream !== undefined) return stream.replace(/^\x1b\[91m([^]*)\x1b\[0m$/, '$1');
  if (status === undefined || progressDetail?.total !== undefined) return '';
  return id === undefined ? `${status}\n` : `${id}: ${status}\n`;
}
