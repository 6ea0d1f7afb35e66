// A websocket server that a test scripts, for faults that a real gateway does not produce.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WebSocket } from 'ws';
import { WebSocketServer } from 'ws';

export interface ServerConnection {
  /** Returns the next binary frame as JSON. `nextInput` returns the next text frame. Each kind has its own queue. */
  nextControl(): Promise<unknown>;
  nextInput(): Promise<string>;
  /** Number of received frames that the test has not read. */
  readonly unread: number;
  sendControl(message: unknown): void;
  sendBytes(bytes: Uint8Array): void;
  sendText(text: string): void;
  close(code: number): void;
  terminate(): void;
  readonly closed: Promise<unknown>;
}

export interface ScriptedServer {
  readonly url: string;
  /** Resolves with the next connection. */
  nextConnection(): Promise<ServerConnection>;
  /** Answers upgrades with this status from now on; undefined accepts them again. */
  rejectUpgrades(status: number | undefined): void;
  /** Returns the number of frames received on all connections. */
  countFrames(): number;
  close(): Promise<void>;
}

export async function startScriptedServer(subprotocol: string): Promise<ScriptedServer> {
  const http = createServer().listen(0, '127.0.0.1');
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => subprotocol });
  const peers = createQueue<ServerConnection>();
  let refusal: number | undefined;
  let heard = 0;
  http.on('upgrade', (request, socket, head) => {
    if (refusal !== undefined)
      return void socket.end(`HTTP/1.1 ${refusal} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on('message', () => {
        heard += 1;
      });
      peers.put(createConnection(client));
    });
  });
  await once(http, 'listening');
  return {
    url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/api/v1/ws`,
    nextConnection: peers.get,
    rejectUpgrades(status) {
      refusal = status;
    },
    countFrames: () => heard,
    async close() {
      for (const client of sockets.clients) client.terminate();
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
  };
}

function createConnection(socket: WebSocket): ServerConnection {
  const controls = createQueue<unknown>();
  const inputs = createQueue<string>();
  socket.on('message', (bytes, binary) => {
    const text = (bytes as Buffer).toString();
    if (binary) controls.put(JSON.parse(text));
    else inputs.put(text);
  });
  return {
    nextControl: controls.get,
    nextInput: inputs.get,
    get unread() {
      return controls.size() + inputs.size();
    },
    sendControl: (message) => socket.send(Buffer.from(JSON.stringify(message))),
    sendBytes: (bytes) => socket.send(bytes),
    sendText: (text) => socket.send(text),
    close: (code) => socket.close(code),
    terminate: () => socket.terminate(),
    closed: once(socket, 'close'),
  };
}

function createQueue<T>(): { put(value: T): void; get(): Promise<T>; size(): number } {
  const values: T[] = [];
  const readers: ((value: T) => void)[] = [];
  return {
    put(value) {
      const reader = readers.shift();
      if (reader) reader(value);
      else values.push(value);
    },
    get: () =>
      new Promise((resolve) => {
        if (values.length > 0) resolve(values.shift() as T);
        else readers.push(resolve);
      }),
    size: () => values.length,
  };
}
