// Where a watcher's frames go: onto the TCP socket that ws owns, beside ws's own control messages.
// Safe by the way ws sends without compression: whole frames, written at once. So whole frames of ours may stand between them.

import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { Dialect } from '../../protocol/dialects/dialect.ts';
import type { Outlet } from '../runs/watcher.ts';

export class SocketOutlet implements Outlet {
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #wrapEvent: Dialect['event'];
  readonly #bytesMax: number;

  constructor(ws: WebSocket, socket: Duplex, options: { dialect: Dialect; bytesMax: number }) {
    this.#ws = ws;
    this.#socket = socket;
    this.#wrapEvent = options.dialect.event;
    this.#bytesMax = options.bytesMax;
  }

  get full(): boolean {
    return this.#socket.writableLength >= this.#bytesMax;
  }

  frames(frames: Buffer): void {
    if (this.#ws.readyState === WebSocket.OPEN) this.#socket.write(frames);
  }

  event(json: Uint8Array): void {
    if (this.#wrapEvent !== undefined && this.#ws.readyState === WebSocket.OPEN) this.#ws.send(this.#wrapEvent(json), { binary: true });
  }
}

/** `onStall` is called when the peer has taken nothing for `stallMs` although something waits for it. */
export function watchStall(socket: Socket, stallMs: number, onStall: () => void): void {
  // Node counts progress inside a large write as activity, so a slow reader is not taken for a dead one.
  socket.setTimeout(stallMs, () => {
    if (socket.writableLength > 0) onStall();
    // The timer is armed again by the next activity only; an idle socket needs none.
  });
}
