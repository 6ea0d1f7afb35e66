// Many websocket clients that only count, in one process: each reads into the same room, and hops from frame header to frame header.

import { connect, type Socket } from 'node:net';
import { soon } from '../helpers/until.ts';
import { clientFrame, FrameCounter, handshake } from './frame-counter.ts';

export interface Door {
  readonly port: number;
  readonly path?: string;
  readonly subprotocol?: string;
  /** Said after the handshake. */
  readonly message?: object;
}

export interface CountingClient {
  readonly socket: Socket;
  readonly counter: FrameCounter;
  /** performance.now() of the connect and of the first frame. */
  readonly startedAt: number;
  readonly firstAt: number;
}

const room = Buffer.allocUnsafeSlow(256 << 10);
const gatherMs = 60_000;

/**
 * Connects `count` clients at once; resolves when each has had its first frame. What is said to the peer is the same for all. `onText` is given
 * each text of each. */
export async function gather(count: number, door: Door, onText?: (text: Buffer) => void): Promise<readonly CountingClient[]> {
  const hello = Buffer.from(handshake(door.port, door));
  const message = door.message === undefined ? undefined : clientFrame(2, JSON.stringify(door.message));
  const clients: Client[] = [];
  const all = new Promise<void>((resolve, reject) => {
    let missing = count;
    const arrived = (): void => { if (--missing === 0) resolve(); };
    for (let i = 0; i < count; i++) clients.push(new Client(door.port, { hello, message, onText, arrived, failed: reject }));
  });
  try {
    await soon(`${count} clients are there`, all, gatherMs);
  } catch (error) {
    await leave(clients);
    throw error;
  }
  return clients;
}

/** Drops the connections; resolves when they are closed. */
export async function leave(clients: readonly CountingClient[]): Promise<void> {
  await Promise.all(clients.map(({ socket }) => new Promise<void>((resolve) => {
    if (socket.closed) return resolve();
    socket.once('close', () => resolve()).destroy();
  })));
}

interface Said {
  readonly hello: Buffer;
  readonly message: Buffer | undefined;
  readonly onText: ((text: Buffer) => void) | undefined;
  readonly arrived: () => void;
  readonly failed: (error: Error) => void;
}

class Client implements CountingClient {
  readonly socket: Socket;
  readonly counter = new FrameCounter();
  readonly startedAt = performance.now();
  firstAt = 0;
  /** What is left of the last read: a frame header that was cut. */
  #rest: Buffer | undefined;
  #open = false;
  readonly #said: Said;

  constructor(port: number, said: Said) {
    this.#said = said;
    this.counter.onText = said.onText;
    this.counter.onClose = () => this.socket.end();
    this.socket = connect({ port, host: '127.0.0.1', onread: { buffer: room, callback: (count) => this.#read(room.subarray(0, count)) } });
    this.socket.on('error', said.failed);
    this.socket.write(said.hello);
  }

  #read(read: Buffer): true {
    const bytes = this.#rest === undefined ? read : Buffer.concat([this.#rest, read]);
    const done = this.#open ? this.#take(bytes) : this.#shake(bytes);
    this.#rest = done === bytes.length ? undefined : Buffer.from(bytes.subarray(done));
    return true;
  }

  #shake(bytes: Buffer): number {
    const head = bytes.indexOf('\r\n\r\n');
    if (head === -1) return 0;
    if (!bytes.toString('latin1', 0, 12).includes(' 101')) this.#said.failed(new Error(`no upgrade: ${bytes.toString('latin1')}`));
    this.#open = true;
    if (this.#said.message !== undefined) this.socket.write(this.#said.message);
    return head + 4 + this.#take(bytes.subarray(head + 4));
  }

  #take(bytes: Buffer): number {
    if (bytes.length > 0 && this.firstAt === 0) {
      this.firstAt = performance.now();
      this.#said.arrived();
    }
    return this.counter.take(bytes);
  }
}
