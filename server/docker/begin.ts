// How every container begins, whoever it is for: created, its streams opened and its end watched, and only then started.

import type { Socket } from 'node:net';
import type Docker from 'dockerode';
import { WorkFailed, WorkLost } from '../../calls/contract/engines.ts';
import { attach, watchExit, type ExitWatch } from './attach.ts';
import type { Connection } from './connect.ts';
import { isUnreachable, refused, saidBy, statusOf } from './failure.ts';

/** A container that is there. */
export interface Life {
  readonly engine: Connection;
  readonly container: Docker.Container;
  /** True when it is to end: the releaser may remove it under our hands, and what then goes wrong is no failure of the work. */
  readonly over: () => boolean;
  readonly memoryBytes?: number;
}

/** Open until it is closed. */
export interface Open {
  readonly socket: Socket;
  readonly watch: ExitWatch;
  close(): void;
}

/** Throws WorkFailed with the engine's reason, except that it has no such image. */
export async function createContainer(engine: Connection, name: string, body: Docker.ContainerCreateOptions): Promise<Docker.Container | 'image missing'> {
  try {
    // Never aborted: the engine would go on and create it all the same, with nobody to know.
    // Told apart, or dockerode puts the environment into the address as well, where logs keep it.
    return await engine.docker.createContainer({ _query: { name }, _body: body } as Docker.ContainerCreateOptions);
  } catch (error) {
    if (statusOf(error) === 404 && /no such image/i.test(saidBy(error))) return 'image missing';
    if (statusOf(error) === 409) throw new WorkFailed(`cannot create the container: the name "${name}" is taken by another one`, { cause: error });
    throw refused('cannot create the container', error);
  }
}

/** Resolves when it runs; undefined when it is to end. Throws WorkFailed when it cannot be started, WorkLost when that is not known. */
export async function beginContainer(life: Life, wants: { readonly stdin: boolean }): Promise<Open | undefined> {
  let open: Open | undefined;
  try {
    if (life.over()) return undefined;
    open = await openStreams(life, wants);
    if (life.over()) return close(open);
    await start(life.container);
    return open;
  } catch (error) {
    close(open);
    if (error instanceof WorkLost) throw error;
    if (life.over()) return undefined;
    throw refused('cannot start the container', error);
  }
}

function close(open: Open | undefined): undefined {
  open?.close();
}

// Registered before the start: an exit that nobody was waiting for yet is never told.
async function openStreams({ engine, container: { id } }: Life, wants: { readonly stdin: boolean }): Promise<Open> {
  const [attached, watched] = await Promise.allSettled([attach(engine, id, wants), watchExit(engine, id)]);
  const end = (): void => {
    if (attached.status === 'fulfilled') attached.value.destroy();
    if (watched.status === 'fulfilled') watched.value.stop();
  };
  if (attached.status === 'fulfilled' && watched.status === 'fulfilled') return { socket: attached.value, watch: watched.value, close: end };
  end();
  throw [attached, watched].find((one) => one.status === 'rejected')?.reason;
}

async function start(container: Docker.Container): Promise<void> {
  try {
    await container.start();
  } catch (error) {
    // No answer is no refusal: it may run.
    if (isUnreachable(error)) throw new WorkLost('the Docker engine went away while the container was being started', { cause: error });
    throw error;
  }
}
