// A websocket client that only counts: hops from frame header to frame header, so that the client is not what is measured.
// The same client reads from the gateway and from its peers.

import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { soon } from '../helpers/until.ts';

export interface Counted {
  readonly frames: number;
  readonly payloadBytes: number;
  /** From the moment the first message was sent to the end. */
  readonly ms: number;
  /** Payloads of binary frames, as text. */
  readonly binary: readonly string[];
}

export interface CountOptions {
  readonly path?: string;
  /** Sent as a binary frame after the handshake. */
  readonly call?: object;
  readonly subprotocol?: string;
  /** For the whole of it. */
  readonly deadlineMs?: number;
}

const deadlineMs = 90_000;
const handshakeMs = 30_000;

/** Connects, sends the call, and counts text frames until the server closes. Throws when that takes too long. */
export async function countFrames(port: number, options: CountOptions = {}): Promise<Counted> {
  const socket = await open(port, options);
  const counter = new FrameCounter();
  const started = performance.now();
  counter.readFrom(socket);
  if (options.call !== undefined) socket.write(clientFrame(2, JSON.stringify(options.call)));
  socket.resume();
  await closed(socket, options.deadlineMs ?? deadlineMs);
  return { frames: counter.frames, payloadBytes: counter.payloadBytes, ms: counter.lastAt - started, binary: counter.binary };
}

/** Waits until the connection is closed; drops it and throws when that takes too long. */
export async function closed(socket: Socket, withinMs: number): Promise<void> {
  if (socket.closed) return;
  try {
    await soon('the server closes the connection', once(socket, 'close'), withinMs);
  } finally {
    socket.destroy();
  }
}

/** Shakes hands; resolves with the socket paused, nothing of the first frame lost. */
export async function open(port: number, options: CountOptions = {}): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  try {
    return await soon('the handshake', shakeHands(socket, port, options), handshakeMs);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function shakeHands(socket: Socket, port: number, { path = '/api/v1/ws', subprotocol }: CountOptions): Promise<Socket> {
  await once(socket, 'connect');
  const head = [
    `GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, ...(subprotocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  let received = Buffer.alloc(0);
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf('\r\n\r\n');
    if (end === -1) continue;
    if (!received.toString('latin1', 0, 12).includes(' 101')) throw new Error(`no upgrade: ${received.toString('latin1')}`);
    socket.pause();
    if (received.length > end + 4) socket.unshift(received.subarray(end + 4));
    return socket;
  }
}

/** A masked frame (mask 0, which leaves the payload as it is). */
export function clientFrame(opcode: number, payload: string): Buffer {
  const body = Buffer.from(payload);
  const head = body.length < 126 ? Buffer.from([0x80 | opcode, 0x80 | body.length]) : Buffer.from([0x80 | opcode, 0x80 | 126, body.length >> 8, body.length & 255]);
  return Buffer.concat([head, Buffer.alloc(4), body]);
}

export class FrameCounter {
  frames = 0;
  payloadBytes = 0;
  lastAt = 0;
  readonly binary: string[] = [];
  onClose: () => void = () => {};
  /** Bytes of the payload at hand that are still to come. */
  #skip = 0;
  #rest: Buffer = Buffer.alloc(0);
  #closed = false;

  readFrom(socket: Socket): void {
    socket.on('data', (chunk) => this.take(chunk));
    this.onClose = () => socket.end();
  }

  take(chunk: Buffer): void {
    if (this.#closed) return;
    this.lastAt = performance.now();
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = Buffer.alloc(0);
    let at = 0;
    if (this.#skip > 0) {
      at = Math.min(this.#skip, bytes.length);
      this.#skip -= at;
    }
    const end = bytes.length;
    while (at < end) {
      if (end - at < 2) return void (this.#rest = bytes.subarray(at));
      const opcode = bytes[at]! & 15;
      let length = bytes[at + 1]! & 127;
      let header = 2;
      if (length === 126) {
        if (end - at < 4) return void (this.#rest = bytes.subarray(at));
        length = bytes.readUInt16BE(at + 2);
        header = 4;
      } else if (length === 127) {
        if (end - at < 10) return void (this.#rest = bytes.subarray(at));
        length = Number(bytes.readBigUInt64BE(at + 2));
        header = 10;
      }
      if (opcode === 1) {
        this.frames++;
        this.payloadBytes += length;
      } else {
        if (end - at < header + length) return void (this.#rest = bytes.subarray(at));
        if (opcode === 2) this.binary.push(bytes.toString('utf8', at + header, at + header + length));
        if (opcode === 8) {
          this.#closed = true;
          return this.onClose();
        }
      }
      at += header + length;
    }
    this.#skip += at - end;
  }
}
