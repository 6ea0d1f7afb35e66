// Where a watcher's frames go: onto the TCP socket that ws owns, beside ws's own control messages.
// Safe by the way ws sends without compression: whole frames, written at once. So whole frames of ours may stand between them.

import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { Dialect } from '../../protocol/dialects/dialect.ts';
import type { GapReason } from '../../protocol/messages.ts';
import { frameBinary } from '../runs/log/frames.ts';
import type { Outlet } from '../runs/watcher.ts';

/** Waiting in the sockets of all outlets. */
let waitingBytes = 0;

export interface OutletOptions {
  readonly dialect: Dialect;
  /** Waiting in this socket, and in those of all watchers, before it is full. */
  readonly bytesMax: number;
  readonly allBytesMax?: number;
}

export class SocketOutlet implements Outlet {
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #dialect: Dialect;
  readonly #bytesMax: number;
  readonly #allBytesMax: number;
  /** Of `waitingBytes`, those that are ours. */
  #waiting = 0;

  constructor(ws: WebSocket, socket: Duplex, options: OutletOptions) {
    this.#ws = ws;
    this.#socket = socket;
    this.#dialect = options.dialect;
    this.#bytesMax = options.bytesMax;
    this.#allBytesMax = options.allBytesMax ?? Infinity;
    socket.once('close', () => this.#count());
  }

  /** True only while a 'drain' is to come: who waits for nothing is never told to go on. */
  get full(): boolean {
    this.#count();
    return this.#socket.writableNeedDrain && (this.#waiting >= this.#bytesMax || waitingBytes >= this.#allBytesMax);
  }

  frames(frames: Buffer): 'done' | undefined {
    if (this.#ws.readyState === WebSocket.OPEN) this.#socket.write(frames);
    this.#count();
    // Mostly the system takes all at once; what it does not take, the socket holds on to.
    return this.#socket.writableLength === 0 ? 'done' : undefined;
  }

  #count(): void {
    const waiting = this.#socket.destroyed ? 0 : this.#socket.writableLength;
    waitingBytes += waiting - this.#waiting;
    this.#waiting = waiting;
  }

  event(json: Uint8Array): void {
    this.say(this.#dialect.event?.(json));
  }

  gap(from: number, to: number, reason: GapReason): void {
    this.say(this.#dialect.gap?.({ gap: { from, to, reason } }));
  }

  /** Passes on a control message, where the dialect has one: header and message in one write, which ws makes two. */
  say(message: Uint8Array | undefined): void {
    if (message === undefined || this.#ws.readyState !== WebSocket.OPEN) return;
    this.#socket.write(frameBinary(message));
    this.#count();
  }
}
