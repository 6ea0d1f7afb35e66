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
  const counter = new FrameCounter();
  let started = 0;
  const socket = readInPlace(port, (bytes) => {
    if (started > 0) return counter.take(bytes);
    const head = bytes.indexOf('\r\n\r\n');
    if (head === -1) return 0;
    if (!bytes.toString('latin1', 0, 12).includes(' 101')) return fail(socket, bytes);
    started = performance.now();
    if (options.call !== undefined) socket.write(clientFrame(2, JSON.stringify(options.call)));
    return head + 4 + counter.take(bytes.subarray(head + 4));
  });
  counter.onClose = () => socket.end();
  socket.write(handshake(port, options));
  await closed(socket, options.deadlineMs ?? deadlineMs);
  return { frames: counter.frames, payloadBytes: counter.payloadBytes, ms: counter.lastAt - started, binary: counter.binary };
}

/** As `countFrames`, by a client that reads as most programs do, by 'data' events. */
export async function countByEvents(port: number, options: CountOptions = {}): Promise<Counted> {
  const socket = await open(port, options);
  const counter = new FrameCounter();
  counter.readFrom(socket);
  const started = performance.now();
  if (options.call !== undefined) socket.write(clientFrame(2, JSON.stringify(options.call)));
  socket.resume();
  await closed(socket, options.deadlineMs ?? deadlineMs);
  return { frames: counter.frames, payloadBytes: counter.payloadBytes, ms: counter.lastAt - started, binary: counter.binary };
}

/**
 * A connection that is read into one buffer again and again, so that reading costs the client next to nothing. `take` says how many of the bytes it
 * has done with; the others come again with more behind them.
 */
export function readInPlace(port: number, take: (bytes: Buffer) => number): Socket {
  const room = Buffer.allocUnsafeSlow(256 << 10);
  let kept = 0;
  return connect({
    port, host: '127.0.0.1', onread: {
      buffer: () => room.subarray(kept),
      callback: (count) => {
        const bytes = room.subarray(0, kept + count);
        const done = take(bytes);
        kept = bytes.length - done;
        room.copyWithin(0, done, bytes.length);
        return true;
      },
    },
  });
}

function fail(socket: Socket, answer: Buffer): number {
  socket.destroy(new Error(`no upgrade: ${answer.toString('latin1')}`));
  return answer.length;
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

/** The head of a request for a websocket. */
export function handshake(port: number, { path = '/api/v1/ws', subprotocol }: CountOptions): string {
  const head = [
    `GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, ...(subprotocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
  ];
  return `${head.join('\r\n')}\r\n\r\n`;
}

async function shakeHands(socket: Socket, port: number, options: CountOptions): Promise<Socket> {
  await once(socket, 'connect');
  socket.write(handshake(port, options));
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
  /** Is given each text whole; without it texts are only counted, and need not be whole. */
  onText: ((text: Buffer) => void) | undefined;
  /** Called when frames have been counted. */
  onFrames: (() => void) | undefined;
  /** Bytes of the payload at hand that are still to come. */
  #skip = 0;
  #closed = false;

  readFrom(socket: Socket): void {
    let rest: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      rest = bytes.subarray(this.take(bytes));
    });
    this.onClose = () => socket.end();
  }

  /** Counts the frames in `bytes`. Gives how many bytes are done with: at the end a header, or a control message, may be incomplete. */
  take(bytes: Buffer): number {
    if (this.#closed) return bytes.length;
    this.lastAt = performance.now();
    const done = this.#hop(bytes);
    this.onFrames?.();
    return done;
  }

  #hop(bytes: Buffer): number {
    const end = bytes.length;
    let at = Math.min(this.#skip, end);
    this.#skip -= at;
    while (at < end) {
      if (end - at < 2) return at;
      const opcode = bytes[at]! & 15;
      let length = bytes[at + 1]! & 127;
      let header = 2;
      if (length === 126) {
        if (end - at < 4) return at;
        length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
        header = 4;
      } else if (length === 127) {
        if (end - at < 10) return at;
        length = Number(bytes.readBigUInt64BE(at + 2));
        header = 10;
      }
      if (opcode === 1) {
        if (this.onText !== undefined && end - at < header + length) return at;
        this.onText?.(bytes.subarray(at + header, at + header + length));
        this.frames++;
        this.payloadBytes += length;
      } else {
        if (end - at < header + length) return at;
        if (opcode === 2) this.binary.push(bytes.toString('utf8', at + header, at + header + length));
        if (opcode === 8) {
          this.#closed = true;
          this.onClose();
          return end;
        }
      }
      at += header + length;
    }
    this.#skip += at - end;
    return end;
  }
}
