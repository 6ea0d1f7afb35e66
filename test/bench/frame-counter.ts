// A websocket client that only counts frames. It reads only frame headers, so that the measurement does not measure the
// client. The same client reads from the gateway and from its peers.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { withDeadline } from '../helpers/wait-until.ts';
import { handshake } from '../helpers/websocket/raw-client.ts';
import { encodeFrame } from '../helpers/websocket/raw-frames.ts';

export interface FrameCount {
  readonly frames: number;
  readonly payloadBytes: number;
  /** Time from sending the call to reading the last frame. */
  readonly ms: number;
  /** Payloads of binary frames as text. */
  readonly binary: readonly string[];
}

export interface CountOptions {
  readonly path?: string;
  /** Sent as a binary frame after the handshake. */
  readonly call?: object;
  readonly subprotocol?: string;
  /** Deadline for the whole exchange. */
  readonly deadlineMs?: number;
}

const deadlineMs = 90_000;
const handshakeMs = 30_000;

/** Connects, sends the call, and counts text frames until the server closes. Rejects if the server closes too late. */
export async function countFrames(port: number, options: CountOptions = {}): Promise<FrameCount> {
  const counter = new FrameCounter();
  let started = 0;
  const socket = connectWithReusedBuffer(port, (bytes) => {
    if (started > 0) return counter.count(bytes);
    const head = bytes.indexOf('\r\n\r\n');
    if (head === -1) return 0;
    if (!bytes.toString('latin1', 0, 12).includes(' 101')) return fail(socket, bytes);
    started = performance.now();
    if (options.call !== undefined) socket.write(encodeFrame('binary', JSON.stringify(options.call)));
    return head + 4 + counter.count(bytes.subarray(head + 4));
  });
  counter.onClose = () => socket.end();
  socket.write(requestHead(port, options));
  await waitForClose(socket, options.deadlineMs ?? deadlineMs);
  return createCount(counter, started);
}

/** Like `countFrames`, but reads with 'data' events, as most programs do. */
export async function countFramesByEvents(port: number, options: CountOptions = {}): Promise<FrameCount> {
  const socket = await openWebSocket(port, options);
  const counter = new FrameCounter();
  counter.readFrom(socket);
  const started = performance.now();
  if (options.call !== undefined) socket.write(encodeFrame('binary', JSON.stringify(options.call)));
  socket.resume();
  await waitForClose(socket, options.deadlineMs ?? deadlineMs);
  return createCount(counter, started);
}

function createCount({ frames, payloadBytes, lastAt, binary }: FrameCounter, started: number): FrameCount {
  return { frames, payloadBytes, ms: lastAt - started, binary };
}

/**
 * Opens a connection that reads into one reused buffer, so that reading costs the client almost nothing. `take` returns
 * how many bytes it has used. It receives the unused bytes again, followed by more.
 */
export function connectWithReusedBuffer(port: number, take: (bytes: Buffer) => number): Socket {
  const readBuffer = Buffer.allocUnsafeSlow(256 << 10);
  let pendingBytes = 0;
  return connect({
    port,
    host: '127.0.0.1',
    onread: {
      buffer: () => readBuffer.subarray(pendingBytes),
      callback: (count) => {
        const bytes = readBuffer.subarray(0, pendingBytes + count);
        const done = take(bytes);
        pendingBytes = bytes.length - done;
        readBuffer.copyWithin(0, done, bytes.length);
        return true;
      },
    },
  });
}

function fail(socket: Socket, answer: Buffer): number {
  socket.destroy(new Error(`no upgrade: ${answer.toString('latin1')}`));
  return answer.length;
}

/** Waits until the connection closes. If that takes too long, destroys the socket and rejects. */
export async function waitForClose(socket: Socket, withinMs: number): Promise<void> {
  if (socket.closed) return;
  try {
    await withDeadline('the server closes the connection', once(socket, 'close'), withinMs);
  } finally {
    socket.destroy();
  }
}

/** Performs the handshake. Resolves with the paused socket; no byte of the first frame is lost. */
export async function openWebSocket(port: number, options: CountOptions = {}): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  try {
    return await withDeadline('the handshake', shakeHands(socket, port, options), handshakeMs);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Request head of a websocket upgrade. */
export function requestHead(port: number, { path, subprotocol }: CountOptions): string {
  return handshake(`127.0.0.1:${port}`, {
    headers: { 'Sec-WebSocket-Protocol': subprotocol },
    ...(path !== undefined && { path }),
  });
}

async function shakeHands(socket: Socket, port: number, options: CountOptions): Promise<Socket> {
  await once(socket, 'connect');
  socket.write(requestHead(port, options));
  let received = Buffer.alloc(0);
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf('\r\n\r\n');
    if (end === -1) continue;
    if (!received.toString('latin1', 0, 12).includes(' 101'))
      throw new Error(`no upgrade: ${received.toString('latin1')}`);
    socket.pause();
    if (received.length > end + 4) socket.unshift(received.subarray(end + 4));
    return socket;
  }
}

export class FrameCounter {
  frames = 0;
  payloadBytes = 0;
  lastAt = 0;
  readonly binary: string[] = [];
  onClose: () => void = () => {};
  /** Receives each complete text. If undefined, texts are only counted and may arrive in pieces. */
  onText: ((text: Buffer) => void) | undefined;
  /** Called after the frames of each read have been counted. */
  onFrames: (() => void) | undefined;
  /** Remaining bytes of the current payload. */
  #skip = 0;
  #closed = false;

  readFrom(socket: Socket): void {
    let rest: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      rest = bytes.subarray(this.count(bytes));
    });
    this.onClose = () => socket.end();
  }

  /**
   * Counts the frames in `bytes`. Returns the number of bytes used. The rest is an incomplete header or frame: pass it
   * again, followed by more bytes.
   */
  count(bytes: Buffer): number {
    if (this.#closed) return bytes.length;
    this.lastAt = performance.now();
    const done = this.#countFrames(bytes);
    this.onFrames?.();
    return done;
  }

  #countFrames(bytes: Buffer): number {
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
