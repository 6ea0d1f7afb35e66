// Starts a container: creates it, opens its streams, watches for its exit, and only then starts it.

import type { Socket } from 'node:net';
import type Docker from 'dockerode';
import { WorkFailed, WorkLost } from '../../calls/contract/engines.ts';
import { untilAborted } from '../support/until-aborted.ts';
import type { Connection } from './connect.ts';
import { engineFailure, engineMessage, httpStatus, isUnreachable } from './engine-error.ts';
import { type OomWatch, watchOom } from './memory/oom-kill.ts';
import { attachStreams, type ExitWatch, watchExit } from './streams.ts';

/** A created container, with everything needed to start it and to wait for its exit. */
export interface ContainerRef {
  readonly engine: Connection;
  readonly container: Docker.Container;
  /**
   * Aborted when the container has to stop. The releaser may remove it at any time then, and errors that follow are not
   * failures of the work.
   */
  readonly stopping: AbortSignal;
  /** Resolves when the container is released. The run ends then, even if the engine has not answered. */
  readonly released: Promise<unknown>;
  readonly memoryBytes?: number;
}

/** The open streams of a container, before or after its start. The caller closes them. */
export interface OpenStreams {
  readonly socket: Socket;
  readonly watch: ExitWatch;
  /** Present for a container with a memory limit, unless the engine is Podman, which reports no such events. */
  readonly oom?: OomWatch;
  close(): void;
}

/**
 * Creates a container. Returns `image missing` if the engine lacks the image; rejects with WorkFailed for every other
 * error.
 */
export async function createContainer(
  engine: Connection,
  name: string,
  body: Docker.ContainerCreateOptions,
): Promise<Docker.Container | 'image missing'> {
  try {
    // Do not abort this request: the engine would still create the container, unknown to the gateway.
    //
    // Query and body are separate; otherwise dockerode copies the environment into the URL, which logs record.
    return await engine.docker.createContainer({ _query: { name }, _body: body } as Docker.ContainerCreateOptions);
  } catch (error) {
    if (body.HostConfig?.Init === true && isInitMissing(error))
      return createContainer(engine, name, { ...body, HostConfig: { ...body.HostConfig, Init: false } });
    if (httpStatus(error) === 404 && /no such image/i.test(engineMessage(error))) return 'image missing';
    if (httpStatus(error) === 409)
      throw new WorkFailed(`cannot create the container: the name "${name}" is already in use`, { cause: error });
    throw engineFailure('cannot create the container', error);
  }
}

/** Podman has no init of its own: it uses catatonit, if that is installed. */
function isInitMissing(error: unknown): boolean {
  return /container-init binary not found/.test(String((error as Error).message));
}

/**
 * Resolves with the streams when the container runs, or with undefined if it has to stop. Rejects with WorkFailed if
 * the container cannot be started, and with WorkLost if it is unknown whether the container was started.
 */
export async function startContainer(
  ref: ContainerRef,
  options: { readonly stdin: boolean },
): Promise<OpenStreams | undefined> {
  let streams: OpenStreams | undefined;
  try {
    if (ref.stopping.aborted) return undefined;
    streams = await openStreams(ref, options);
    if (ref.stopping.aborted) return close(streams);
    const started = requestStart(ref.container).then(() => true);
    return (await Promise.race([started, ref.released])) === true ? streams : close(streams);
  } catch (error) {
    close(streams);
    if (error instanceof WorkLost) throw error;
    if (ref.stopping.aborted) return undefined;
    throw engineFailure('cannot start the container', error);
  }
}

function close(streams: OpenStreams | undefined): undefined {
  streams?.close();
}

/**
 * Opens the streams of a container and the request that waits for its exit. Call this before the start of the
 * container, or later with the condition `not-running`. Rejects with the error of the engine, or as soon as the
 * container has to stop.
 */
export async function openStreams(
  { engine, container: { id }, stopping, memoryBytes }: ContainerRef,
  options: { readonly stdin: boolean; readonly condition?: 'not-running' },
): Promise<OpenStreams> {
  const watchesOom = memoryBytes !== undefined && !engine.podman;
  // A stop aborts only the opening. Open streams outlive the stop, because the container may print more.
  const opening = new AbortController();
  const settled = Promise.allSettled([
    attachStreams(engine, id, { ...options, opening: opening.signal }),
    watchExit(engine, id, { ...options, opening: opening.signal }),
    watchesOom ? watchOom(engine, id, { opening: opening.signal }) : undefined,
  ]);
  const [attached, watched, oomWatched] = await untilAborted(stopping, settled, () => {
    opening.abort();
    return settled;
  });
  const end = (): void => {
    if (attached.status === 'fulfilled') attached.value.destroy();
    if (watched.status === 'fulfilled') watched.value.stop();
    if (oomWatched.status === 'fulfilled') oomWatched.value?.stop();
  };
  if (attached.status === 'fulfilled' && watched.status === 'fulfilled' && oomWatched.status === 'fulfilled')
    return {
      socket: attached.value,
      watch: watched.value,
      ...(oomWatched.value !== undefined && { oom: oomWatched.value }),
      close: end,
    };
  end();
  throw [attached, watched, oomWatched].find((one) => one.status === 'rejected')?.reason;
}

async function requestStart(container: Docker.Container): Promise<void> {
  try {
    await container.start();
  } catch (error) {
    // Without a response, it is unknown whether the container was started.
    if (isUnreachable(error))
      throw new WorkLost('lost the connection to the Docker engine while the container was being started', {
        cause: error,
      });
    throw error;
  }
}
