// A TCP proxy that drops each connection after a number of bytes: in a handshake, in a frame, or at the start.

import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

export interface DropRule {
  /** When to drop: after so many bytes in this direction. */
  readonly direction: 'up' | 'down';
  readonly afterBytes: number;
}

export interface DroppingProxy {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** Returns the number of dropped connections. */
  countDrops(): number;
  close(): Promise<void>;
}

/** Forwards to the server at `target`. Calls `next` for each connection; undefined means not to drop this one. */
export async function startDroppingProxy(target: string, next: () => DropRule | undefined): Promise<DroppingProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let dropCount = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    const cut = next();
    let isDropped = false;
    const end = (): void => {
      for (const socket of [client, upstream]) socket.destroy();
    };
    const relay = (from: Socket, to: Socket, direction: DropRule['direction']): void => {
      let left = cut?.direction === direction ? cut.afterBytes : Infinity;
      from.on('data', (chunk: Buffer) => {
        if (isDropped) return;
        isDropped = chunk.length >= left;
        if (isDropped) {
          dropCount += 1;
          to.write(chunk.subarray(0, left), end);
        } else if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
        left -= chunk.length;
      });
      from
        .on('end', () => {
          if (!isDropped) to.end();
        })
        .on('error', end)
        .on('close', () => {
          sockets.delete(from);
          if (!isDropped) to.destroy();
        });
      sockets.add(from);
    };
    relay(client, upstream, 'up');
    relay(upstream, client, 'down');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    countDrops: () => dropCount,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
