// Builds an image from an archive with a Dockerfile, using the engine's own builder.

import type { IncomingMessage } from 'node:http';
import type { BuildRequest } from '../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import type { Output } from '../../../calls/contract/ports.ts';
import type { Connection } from '../connect.ts';
import { engineMessage, isUnreachable } from '../engine-error.ts';
import { archiveBody } from '../files/archive-body.ts';
import { readJsonLines } from './json-lines.ts';
import { maskPasswords, registryConfig } from './registry-auth.ts';

interface BuildMessage {
  readonly stream?: string;
  /** Progress of pulling the base image. */
  readonly status?: string;
  readonly id?: string;
  readonly progressDetail?: { readonly total?: number };
  readonly error?: string;
  readonly aux?: { readonly ID?: string };
}

/**
 * Returns the id of the image. Rejects with WorkFailed if the build fails or the signal is aborted. No container of the
 * build remains then.
 */
export async function buildImage(engine: Connection, request: BuildRequest): Promise<string> {
  const { signal, tag, output } = request;
  const context = archiveBody(request.context);
  try {
    signal.throwIfAborted();
    const response = await startBuild(engine, request, context.body);
    const image = await readBuild(response, { signal, output });
    return image ?? (await engine.docker.getImage(tag).inspect()).Id;
  } catch (error) {
    if (signal.aborted) throw new WorkFailed('cannot build the image: the build was stopped');
    context.rethrowArchiveError();
    throw new WorkFailed(
      `cannot build the image: ${maskPasswords(describeBuildError(error), Object.values(request.logins ?? {}))}`,
    );
  } finally {
    context.cancel();
  }
}

/** Sends the archive. The engine responds after reading the whole archive, before it runs the first step. */
async function startBuild(
  engine: Connection,
  { tag, dockerfile, logins: registryLogins, signal }: BuildRequest,
  body: ReturnType<typeof archiveBody>['body'],
): Promise<IncomingMessage> {
  const query = new URLSearchParams({ t: tag, dockerfile, rm: '1', forcerm: '1' });
  const startAbort = new AbortController();
  const onAbort = (): void => startAbort.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return (await engine.dial({
      path: `/build?${query}&`,
      method: 'POST',
      isStream: true,
      abortSignal: startAbort.signal,
      file: body,
      headers: {
        'Content-Type': 'application/x-tar',
        ...(registryLogins !== undefined && { 'X-Registry-Config': registryConfig(registryLogins) }),
      },
      statusCodes: { 200: true, 400: 'bad parameter', 500: 'server error' },
    })) as IncomingMessage;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

const endMs = 15_000;

/** Returns the id of the image if the engine reported it. Throws BuildError with the engine's reason. */
async function readBuild(
  response: IncomingMessage,
  { signal, output }: Pick<BuildRequest, 'signal' | 'output'>,
): Promise<string | undefined> {
  let image: string | undefined;
  const abortWatch = hangUpOnAbort(signal, response);
  try {
    for await (const message of readJsonLines<BuildMessage>(response as AsyncIterable<Buffer>)) {
      if (message.error !== undefined) throw new BuildError(message.error);
      image = message.aux?.ID ?? image;
      if (!signal.aborted) await writeProgress(output, message, abortWatch.aborted);
    }
    signal.throwIfAborted();
    return image;
  } finally {
    abortWatch.forget();
  }
}

/**
 * Closes only the sending direction on abort. The engine then cancels the build, removes the container of the current
 * step, and ends the response.
 */
function hangUpOnAbort(
  signal: AbortSignal,
  response: IncomingMessage,
): { readonly aborted: Promise<void>; forget(): void } {
  let timer: NodeJS.Timeout | undefined;
  let hangUp = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    hangUp = () => {
      response.socket.end();
      timer = setTimeout(() => response.destroy(), endMs);
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

/** An error that the engine reports within a response of status 200: it sends the status before the build begins. */
class BuildError extends Error {}

function describeBuildError(error: unknown): string {
  return error instanceof BuildError || !isUnreachable(error)
    ? engineMessage(error)
    : 'lost the connection to the Docker engine';
}

async function writeProgress(output: Output, message: BuildMessage, abortWatch: Promise<void>): Promise<void> {
  const text = progressText(message);
  if (text !== '') output.write('stdout', Buffer.from(text));
  if (output.full) await Promise.race([output.drained(), abortWatch]);
}

function progressText({ stream, status, id, progressDetail }: BuildMessage): string {
  // Remove the red colour that the engine adds to the stderr output of a step.
  if (stream !== undefined) return stream.replace(/^\x1b\[91m([^]*)\x1b\[0m$/, '$1');
  if (status === undefined || progressDetail?.total !== undefined) return '';
  return id === undefined ? `${status}\n` : `${id}: ${status}\n`;
}
