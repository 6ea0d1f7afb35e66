// Many websocket clients in one process that only count frames. All of them read into one shared buffer.

import { connect, type Socket } from 'node:net';
import { withDeadline } from '../helpers/wait-until.ts';
import { encodeFrame } from '../helpers/websocket/raw-frames.ts';
import { FrameCounter, requestHead } from './frame-counter.ts';

export interface ClientTarget {
  readonly port: number;
  readonly path?: string;
  readonly subprotocol?: string;
  /** Sent after the handshake. */
  readonly message?: object;
}

export interface CountingClient {
  readonly socket: Socket;
  readonly counter: FrameCounter;
  /** Results of `performance.now()` at the start of the connection and at the first frame. */
  readonly startedAt: number;
  readonly firstAt: number;
}

const readBuffer = Buffer.allocUnsafeSlow(256 << 10);
const connectMs = 60_000;

/**
 * Connects `count` clients at once. Resolves when each has received its first frame. `onText` receives each text of
 * each client.
 */
export async function connectClients(
  count: number,
  target: ClientTarget,
  onText?: (text: Buffer) => void,
): Promise<readonly CountingClient[]> {
  const handshakeRequest = Buffer.from(requestHead(target.port, target));
  const message = target.message === undefined ? undefined : encodeFrame('binary', JSON.stringify(target.message));
  const clients: CountingSocket[] = [];
  const all = new Promise<void>((resolve, reject) => {
    let missing = count;
    const arrived = (): void => {
      if (--missing === 0) resolve();
    };
    for (let i = 0; i < count; i++)
      clients.push(new CountingSocket(target.port, { handshakeRequest, message, onText, arrived, failed: reject }));
  });
  try {
    await withDeadline(`${count} clients are connected`, all, connectMs);
  } catch (error) {
    await disconnectClients(clients);
    throw error;
  }
  return clients;
}

/** Drops the connections. Resolves when they are closed. */
export async function disconnectClients(clients: readonly CountingClient[]): Promise<void> {
  await Promise.all(
    clients.map(
      ({ socket }) =>
        new Promise<void>((resolve) => {
          if (socket.closed) return resolve();
          socket.once('close', () => resolve()).destroy();
        }),
    ),
  );
}

interface ClientSetup {
  readonly handshakeRequest: Buffer;
  readonly message: Buffer | undefined;
  readonly onText: ((text: Buffer) => void) | undefined;
  readonly arrived: () => void;
  readonly failed: (error: Error) => void;
}

class CountingSocket implements CountingClient {
  readonly socket: Socket;
  readonly counter = new FrameCounter();
  readonly startedAt = performance.now();
  firstAt = 0;
  /** Unused bytes of earlier reads: an incomplete handshake, header or frame. */
  #rest: Buffer | undefined;
  #open = false;
  readonly #setup: ClientSetup;

  constructor(port: number, setup: ClientSetup) {
    this.#setup = setup;
    this.counter.onText = setup.onText;
    this.counter.onClose = () => this.socket.end();
    this.socket = connect({
      port,
      host: '127.0.0.1',
      onread: { buffer: readBuffer, callback: (count) => this.#read(readBuffer.subarray(0, count)) },
    });
    this.socket.on('error', setup.failed);
    this.socket.write(setup.handshakeRequest);
  }

  #read(read: Buffer): true {
    const bytes = this.#rest === undefined ? read : Buffer.concat([this.#rest, read]);
    const done = this.#open ? this.#countFrames(bytes) : this.#readHandshake(bytes);
    this.#rest = done === bytes.length ? undefined : Buffer.from(bytes.subarray(done));
    return true;
  }

  #readHandshake(bytes: Buffer): number {
    const head = bytes.indexOf('\r\n\r\n');
    if (head === -1) return 0;
    if (!bytes.toString('latin1', 0, 12).includes(' 101'))
      this.#setup.failed(new Error(`no upgrade: ${bytes.toString('latin1')}`));
    this.#open = true;
    if (this.#setup.message !== undefined) this.socket.write(this.#setup.message);
    return head + 4 + this.#countFrames(bytes.subarray(head + 4));
  }

  #countFrames(bytes: Buffer): number {
    if (bytes.length > 0 && this.firstAt === 0) {
      this.firstAt = performance.now();
      this.#setup.arrived();
    }
    return this.counter.count(bytes);
  }
}
