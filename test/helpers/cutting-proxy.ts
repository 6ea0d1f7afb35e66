// A TCP proxy that cuts its connections, each after a number of bytes that a test chooses: in a handshake, in a frame, before anything.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface Cut {
  /** Counted in this direction; so many bytes still pass. */
  readonly direction: 'up' | 'down';
  readonly afterBytes: number;
}

export interface CuttingProxy {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** Connections that were cut. */
  cuts(): number;
  close(): Promise<void>;
}

/** Between its clients and the server at `target`. Asks `next` about each connection; undefined: it is left alone. */
export async function cuttingProxy(target: string, next: () => Cut | undefined): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let cuts = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    const cut = next();
    let isCut = false;
    const end = (): void => {
      for (const socket of [client, upstream]) socket.destroy();
    };
    const relay = (from: Socket, to: Socket, direction: Cut['direction']): void => {
      let left = cut?.direction === direction ? cut.afterBytes : Infinity;
      from.on('data', (chunk: Buffer) => {
        if (isCut) return;
        isCut = chunk.length >= left;
        if (isCut) {
          cuts += 1;
          to.write(chunk.subarray(0, left), end);
        } else if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
        left -= chunk.length;
      });
      from.on('end', () => { if (!isCut) to.end(); }).on('error', end).on('close', () => {
        sockets.delete(from);
        if (!isCut) to.destroy();
      });
      sockets.add(from);
    };
    relay(client, upstream, 'up');
    relay(upstream, client, 'down');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cuts: () => cuts,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
