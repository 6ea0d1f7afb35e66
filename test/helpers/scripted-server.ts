// A websocket server that does exactly what a test tells it, for faults that a real gateway does not commit.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';

export interface Peer {
  /** The next binary frame, as JSON; then the next text frame: each in its own order. */
  control(): Promise<unknown>;
  input(): Promise<string>;
  /** Frames that came and were not asked for. */
  readonly unread: number;
  say(message: unknown): void;
  bytes(bytes: Uint8Array): void;
  text(text: string): void;
  close(code: number): void;
  terminate(): void;
  readonly closed: Promise<unknown>;
}

export interface ScriptedServer {
  readonly url: string;
  /** The next connection. */
  peer(): Promise<Peer>;
  /** Upgrades are answered with this status from now on; undefined: they are taken again. */
  refuse(status: number | undefined): void;
  /** Frames received on all connections. */
  heard(): number;
  close(): Promise<void>;
}

export async function scriptedServer(subprotocol: string): Promise<ScriptedServer> {
  const http = createServer().listen(0, '127.0.0.1');
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => subprotocol });
  const peers = inOrder<Peer>();
  let refusal: number | undefined;
  let heard = 0;
  http.on('upgrade', (request, socket, head) => {
    if (refusal !== undefined) return void socket.end(`HTTP/1.1 ${refusal} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on('message', () => { heard += 1; });
      peers.put(peerOn(client));
    });
  });
  await once(http, 'listening');
  return {
    url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/api/v1/ws`,
    peer: peers.get,
    refuse(status) { refusal = status; },
    heard: () => heard,
    async close() {
      for (const client of sockets.clients) client.terminate();
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
  };
}

function peerOn(socket: WebSocket): Peer {
  const controls = inOrder<unknown>();
  const inputs = inOrder<string>();
  socket.on('message', (bytes, binary) => {
    const text = (bytes as Buffer).toString();
    if (binary) controls.put(JSON.parse(text)); else inputs.put(text);
  });
  return {
    control: controls.get,
    input: inputs.get,
    get unread() { return controls.size() + inputs.size(); },
    say: (message) => socket.send(Buffer.from(JSON.stringify(message))),
    bytes: (bytes) => socket.send(bytes),
    text: (text) => socket.send(text),
    close: (code) => socket.close(code),
    terminate: () => socket.terminate(),
    closed: once(socket, 'close'),
  };
}

function inOrder<T>(): { put(value: T): void; get(): Promise<T>; size(): number } {
  const values: T[] = [];
  const takers: ((value: T) => void)[] = [];
  return {
    put(value) {
      const taker = takers.shift();
      if (taker) taker(value); else values.push(value);
    },
    get: () => new Promise((resolve) => {
      if (values.length > 0) resolve(values.shift() as T); else takers.push(resolve);
    }),
    size: () => values.length,
  };
}
