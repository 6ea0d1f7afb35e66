// An engine that does not answer chosen requests: a socket in front of the shared engine. A request that it holds back
// stays open without an answer, until the test lets it pass or closes the socket.

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitUntil } from '../wait-until.ts';
import { sharedEngineHost } from './shared-engine.ts';

export interface StallingEngine {
  readonly host: string;
  /** From now on, holds back requests whose first line matches. */
  stall(request: RegExp): void;
  /** Resolves when a request is held back. */
  waitForStalled(): Promise<void>;
  /** Passes on all requests, those held back included. */
  pass(): void;
  close(): Promise<void>;
}

export async function startStallingEngine(): Promise<StallingEngine> {
  const upstream = (await sharedEngineHost()).slice('unix://'.length);
  const folder = await mkdtemp(join(tmpdir(), 'dk-stall-'));
  const path = join(folder, 's');
  const sockets = new Set<Socket>();
  const held = new Set<() => void>();
  let stalled: RegExp | undefined;
  const track = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  };
  const forward = (socket: Socket): void => {
    const engine = track(createConnection({ path: upstream, allowHalfOpen: true }));
    socket.pipe(engine);
    engine.pipe(socket);
    socket.on('close', () => engine.destroy());
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const socket = track(client);
    // The gateway opens a connection for each request, so the first bytes of a connection contain the request line.
    socket.once('data', (head) => {
      socket.pause();
      socket.unshift(head);
      if (stalled?.test(head.toString().split('\r\n', 1)[0]!) !== true) return forward(socket);
      const release = (): void => forward(socket);
      held.add(release);
      socket.on('close', () => held.delete(release));
    });
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    host: `unix://${path}`,
    stall: (request) => {
      stalled = request;
    },
    waitForStalled: () => waitUntil('a request is held back', () => held.size > 0),
    pass: () => {
      stalled = undefined;
      for (const release of held) release();
      held.clear();
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}
