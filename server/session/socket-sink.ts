// Writes a watcher's frames directly to the TCP socket of a websocket, between the control messages that ws writes.
//
// This is safe because ws writes only whole frames if compression is off.

import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { Dialect } from '../../protocol/dialects/dialect.ts';
import type { GapReason } from '../../protocol/messages.ts';
import type { OutputEntry } from '../runs/log/entry.ts';
import { readSource } from '../runs/log/text/output-sources.ts';
import type { TextSink } from '../runs/views/raw-watcher.ts';
import { encodeOnce, type LogSink } from '../runs/views/watcher.ts';
import { encodeDataFrames, encodeTextFrames, frameBinary, frameText } from './frames/websocket-frames.ts';

/** Number of bytes that are queued in the sockets of all sinks. */
let allWaitingBytes = 0;

export interface SocketSinkOptions {
  readonly dialect: Dialect;
  /**
   * The sink is full when this many bytes are queued: `bytesMax` in this socket, or `allBytesMax` in all sockets
   * together.
   */
  readonly bytesMax: number;
  readonly allBytesMax?: number;
}

export class SocketSink implements LogSink, TextSink {
  /** True if output goes into binary frames, as the bytes that the work printed. */
  sendsBytes = false;
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #dialect: Dialect;
  readonly #bytesMax: number;
  readonly #allBytesMax: number;
  /**
   * True if the next output comes from a service and the dialect cannot mark it as such. The client does not receive
   * it.
   */
  #isHidden = false;
  #corked = false;
  /** The part of `allWaitingBytes` that belongs to this socket. */
  #waitingBytes = 0;

  constructor(ws: WebSocket, socket: Duplex, options: SocketSinkOptions) {
    this.#ws = ws;
    this.#socket = socket;
    this.#dialect = options.dialect;
    this.#bytesMax = options.bytesMax;
    this.#allBytesMax = options.allBytesMax ?? Infinity;
    socket.once('close', () => this.#count());
  }

  /** True only if a 'drain' event will follow. Otherwise a waiting watcher would never resume. */
  get full(): boolean {
    this.#count();
    return (
      this.#socket.writableNeedDrain && (this.#waitingBytes >= this.#bytesMax || allWaitingBytes >= this.#allBytesMax)
    );
  }

  output(entry: OutputEntry): void {
    if (this.#isHidden) return;
    const frames = encodeOnce(entry, this.sendsBytes ? encodeDataFrames : encodeTextFrames);
    this.#write(frames.bytes);
    // Usually the system accepts everything at once. If it does not, the socket still needs the buffer.
    if (this.#socket.writableLength > 0) frames.pinned = true;
  }

  text(chunk: Uint8Array): void {
    this.#write(frameText(chunk));
  }

  #count(): void {
    const waiting = this.#socket.destroyed ? 0 : this.#socket.writableLength;
    allWaitingBytes += waiting - this.#waitingBytes;
    this.#waitingBytes = waiting;
  }

  event(json: Uint8Array): void {
    if (this.#dialect.event !== undefined) return this.sendControl(this.#dialect.event(json));
    const source = readSource(json);
    if (source !== undefined) this.#isHidden = source.service !== undefined;
  }

  gap(from: number, to: number, reason: GapReason): void {
    this.#isHidden = false;
    this.sendControl(this.#dialect.gap?.({ gap: { from, to, reason } }));
  }

  /**
   * Sends a control message, if there is one. Writes header and payload at once; ws would write them separately. What
   * the session writes until the next tick goes into the same system call.
   */
  sendControl(message: Uint8Array | undefined): void {
    if (message === undefined) return;
    this.#corkUntilEndOfTurn();
    this.#write(frameBinary(message));
  }

  #corkUntilEndOfTurn(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    process.nextTick(() => {
      this.#corked = false;
      this.#socket.uncork();
      this.#count();
    });
  }

  #write(frames: Buffer): void {
    if (this.#ws.readyState === WebSocket.OPEN) this.#socket.write(frames);
    this.#count();
  }
}
