// Detects that the other end of a connection does not read what was sent to it.

/**
 * Measures how long a socket has made no progress. Call `stalledMs` periodically. The timeout of the socket itself does
 * not help: received data counts as activity there, even if the client reads nothing.
 */
export class WriteStall {
  readonly #socket: SocketState;
  #progress = '';
  #since = 0;

  constructor(socket: SocketState) {
    this.#socket = socket;
  }

  /** Returns for how many milliseconds, up to `now`, data has been waiting and none of it was accepted. */
  stalledMs(now: number): number {
    const { writableLength, bytesWritten, _handle } = this.#socket;
    // Use `_handle`, because Node has no public API for the progress of one large write. Without it, a slow reader
    // would look stalled.
    const progress = `${bytesWritten - writableLength} ${_handle?.writeQueueSize}`;
    if (writableLength === 0 || progress !== this.#progress) this.#since = now;
    this.#progress = progress;
    return now - this.#since;
  }
}

/** The properties of a TCP socket that show its progress. */
export interface SocketState {
  /** Bytes still buffered in the socket. */
  readonly writableLength: number;
  /** Bytes written to the socket. */
  readonly bytesWritten: number;
  readonly _handle?: { readonly writeQueueSize?: number } | null;
}
