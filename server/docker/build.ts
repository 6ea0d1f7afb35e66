// Building an image from an archive with a Dockerfile, by the engine's own builder.

import type { IncomingMessage } from 'node:http';
import type { BuildWish } from '../../calls/contract/containers.ts';
import { WorkFailed } from '../../calls/contract/engines.ts';
import type { Output } from '../../calls/contract/ports.ts';
import type { Connection } from './connect.ts';
import { isUnreachable, saidBy } from './failure.ts';
import { logins, withoutPasswords } from './login.ts';
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

/** Gives the id of the image. Throws WorkFailed with the engine's reason, also when the signal is aborted; no container of the build is left then. */
export async function buildImage(engine: Connection, wish: BuildWish): Promise<string> {
  const { signal, tag, output } = wish;
  const context = sent(wish.context);
  try {
    signal.throwIfAborted();
    const answer = await ask(engine, wish, context.body);
    const image = await read(answer, { signal, output });
    return image ?? (await engine.docker.getImage(tag).inspect()).Id;
  } catch (error) {
    if (signal.aborted) throw new WorkFailed('cannot build the image: it was stopped');
    context.blame();
    throw new WorkFailed(`cannot build the image: ${withoutPasswords(whyNot(error), Object.values(wish.logins ?? {}))}`);
  } finally {
    context.drop();
  }
}

/** Answered when the archive has been read, and before anything is done with it. */
async function ask(engine: Connection, { tag, dockerfile, logins: wanted, signal }: BuildWish, body: ReturnType<typeof sent>['body']): Promise<IncomingMessage> {
  const query = new URLSearchParams({ t: tag, dockerfile, rm: '1', forcerm: '1' });
  const asking = new AbortController();
  const giveUp = (): void => asking.abort();
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return (await engine.dial({
      path: `/build?${query}&`, method: 'POST', isStream: true, abortSignal: asking.signal,
      file: body, headers: { 'Content-Type': 'application/x-tar', ...(wanted !== undefined && { 'X-Registry-Config': logins(wanted) }) },
      statusCodes: { 200: true, 400: 'bad parameter', 500: 'server error' },
    })) as IncomingMessage;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

const endMs = 15_000;

/** The id of the image, when it was told. Throws BuildRefused with the engine's reason. */
async function read(answer: IncomingMessage, { signal, output }: Pick<BuildWish, 'signal' | 'output'>): Promise<string | undefined> {
  let image: string | undefined;
  const over = hangUpWhen(signal, answer);
  try {
    for await (const message of messages<BuildMessage>(answer as AsyncIterable<Buffer>)) {
      if (message.error !== undefined) throw new BuildRefused(message.error);
      image = message.aux?.ID ?? image;
      if (!signal.aborted) await tell(output, message, over.aborted);
    }
    signal.throwIfAborted();
    return image;
  } finally {
    over.forget();
  }
}

/**
 * Only our direction is closed: by that the engine notices that the build is not wanted any more, and its answer ends when it has ended it and
 * has removed the container of the step it was at.
 */
function hangUpWhen(signal: AbortSignal, answer: IncomingMessage): { readonly aborted: Promise<void>; forget(): void } {
  let timer: NodeJS.Timeout | undefined;
  let hangUp = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    hangUp = () => {
      answer.socket.end();
      timer = setTimeout(() => answer.destroy(), endMs);
      resolve();
    };
  });
  if (signal.aborted) hangUp();
  else signal.addEventListener('abort', hangUp, { once: true });
  return {
    aborted,
    forget: () => {
      signal.removeEventListener('abort', hangUp);
      clearTimeout(timer);
    },
  };
}

/** Said in the middle of the answer, which was 200 before the build began: a failure is just one more message. */
class BuildRefused extends Error {}

function whyNot(error: unknown): string {
  return error instanceof BuildRefused || !isUnreachable(error) ? saidBy(error) : 'the Docker engine broke off';
}

async function tell(output: Output, message: BuildMessage, over: Promise<void>): Promise<void> {
  const words = wordsOf(message);
  if (words !== '') output.write('stdout', Buffer.from(words));
  if (output.full) await Promise.race([output.drained(), over]);
}

function wordsOf({ stream, status, id, progressDetail }: BuildMessage): string {
  // What a step prints on stderr, the engine paints red.
  if (stream !== undefined) return stream.replace(/^\x1b\[91m([^]*)\x1b\[0m$/, '$1');
  if (status === undefined || progressDetail?.total !== undefined) return '';
  return id === undefined ? `${status}\n` : `${id}: ${status}\n`;
}
