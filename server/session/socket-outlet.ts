// Where a watcher's frames go: onto the TCP socket that ws owns, beside ws's own control messages.
// Safe by the way ws sends without compression: whole frames, written at once. So whole frames of ours may stand between them.

import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { Dialect } from '../../protocol/dialects/dialect.ts';
import type { GapReason } from '../../protocol/messages.ts';
import type { Outlet } from '../runs/watcher.ts';

export class SocketOutlet implements Outlet {
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #dialect: Dialect;
  readonly #bytesMax: number;

  constructor(ws: WebSocket, socket: Duplex, options: { dialect: Dialect; bytesMax: number }) {
    this.#ws = ws;
    this.#socket = socket;
    this.#dialect = options.dialect;
    this.#bytesMax = options.bytesMax;
  }

  get full(): boolean {
    return this.#socket.writableLength >= this.#bytesMax;
  }

  frames(frames: Buffer): 'done' | undefined {
    if (this.#ws.readyState === WebSocket.OPEN) this.#socket.write(frames);
    // Mostly the system takes all at once; what it does not take, the socket holds on to.
    return this.#socket.writableLength === 0 ? 'done' : undefined;
  }

  event(json: Uint8Array): void {
    this.#control(this.#dialect.event?.(json));
  }

  gap(from: number, to: number, reason: GapReason): void {
    this.#control(this.#dialect.gap?.({ gap: { from, to, reason } }));
  }

  #control(message: Uint8Array | undefined): void {
    if (message !== undefined && this.#ws.readyState === WebSocket.OPEN) this.#ws.send(message, { binary: true });
  }
}
