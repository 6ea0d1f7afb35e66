// A `ws` socket that leaves the last word to the session. By itself `ws` closes at once when a peer sends too much or breaks the protocol;
// then no result could be sent. It does so through close(), its own documented method, which is therefore where we stand.

import { WebSocket } from 'ws';

/** What a peer did that ws cannot read on from. */
export type Violation = 'too-large' | 'not-utf8' | 'bad-frame';

export class GuardedSocket extends WebSocket {
  #finishing = false;
  #violated = false;
  /** The peer said Close; it has been answered. */
  onPeerClose: () => void = () => {};
  /** Reading is over: what the peer still sends is discarded. */
  onViolation: (violation: Violation) => void = () => {};

  /** Called by ws itself: to answer the peer's Close, or just before it emits the error for which it gives up. */
  override close(code?: number, reason?: string | Buffer): void {
    if (this.#finishing || this.#violated) {
      if (this.#finishing) super.close(code, reason);
      return;
    }
    this.once('error', this.#onError);
    // The error, if there is one, is emitted before this returns to the event loop.
    queueMicrotask(() => this.#answer(code, reason));
  }

  /** Our own close: Close is sent, the peer's is awaited, then the connection ends. Safe twice. */
  finish(code: number): void {
    if (this.#finishing) return;
    this.#finishing = true;
    super.close(code);
  }

  #answer(code: number | undefined, reason: string | Buffer | undefined): void {
    if (this.#violated) return;
    this.#finishing = true;
    super.close(code, reason);
    this.onPeerClose();
  }

  readonly #onError = (error: Error): void => {
    this.#violated = true;
    this.onViolation(violationOf((error as NodeJS.ErrnoException).code));
  };
}

function violationOf(code: string | undefined): Violation {
  switch (code) {
    case 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH':
    case 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH':
    case 'WS_ERR_TOO_MANY_BUFFERED_PARTS':
      return 'too-large';
    case 'WS_ERR_INVALID_UTF8':
      return 'not-utf8';
    default:
      return 'bad-frame';
  }
}
