// Whether a peer takes what waits for it.

/**
 * Looked at every now and then: the socket's own timeout would not do, as it counts what a peer says as activity, and one that only speaks has
 * stalled all the same.
 */
export class Stall {
  readonly #socket: SocketState;
  #mark = '';
  #since = 0;

  constructor(socket: SocketState) {
    this.#socket = socket;
  }

  /** Milliseconds, at `now`, for which something has waited and nothing of it was taken. */
  at(now: number): number {
    const { writableLength, bytesWritten, _handle } = this.#socket;
    // Node does not tell publicly how much of one large write is done; without that a slow reader would be taken for a dead one.
    const mark = `${bytesWritten - writableLength} ${_handle?.writeQueueSize}`;
    if (writableLength === 0 || mark !== this.#mark) this.#since = now;
    this.#mark = mark;
    return now - this.#since;
  }
}

/** Of a TCP socket what tells of its progress. */
export interface SocketState {
  /** Bytes given to the socket that it still holds. */
  readonly writableLength: number;
  /** Bytes given to the socket. */
  readonly bytesWritten: number;
  readonly _handle?: { readonly writeQueueSize?: number } | null;
}
