// A `ws` socket that sends the session's result before it closes.
//
// After a protocol violation by the client, `ws` calls its documented method `close()` at once, and then no result
// could be sent. This class overrides that method.

import { WebSocket } from 'ws';

/** Protocol violations after which ws stops reading. */
export type ProtocolViolation = 'too-large' | 'not-utf8' | 'bad-frame';

export class DeferredCloseSocket extends WebSocket {
  #closing = false;
  #violated = false;
  /** Called when the client has sent Close, after this socket has sent its answer. */
  onPeerClose: () => void = () => {};
  /** Called after a violation. Later data from the client is discarded. */
  onViolation: (violation: ProtocolViolation) => void = () => {};

  /** `ws` calls this to answer the client's Close, or just before it emits the error that ends reading. */
  override close(code?: number, reason?: string | Buffer): void {
    if (this.#closing || this.#violated) {
      if (this.#closing) super.close(code, reason);
      return;
    }
    this.once('error', this.#onError);
    // If there is an error, ws emits it before this microtask runs.
    queueMicrotask(() => this.#answerPeerClose(code, reason));
  }

  /** Sends Close, waits for the client's Close, then ends the connection. Idempotent. */
  closeAfterResult(code: number): void {
    if (this.#closing) return;
    this.#closing = true;
    super.close(code);
  }

  #answerPeerClose(code: number | undefined, reason: string | Buffer | undefined): void {
    if (this.#violated) return;
    this.#closing = true;
    super.close(code, reason);
    this.onPeerClose();
  }

  readonly #onError = (error: Error): void => {
    this.#violated = true;
    this.onViolation(toViolation((error as NodeJS.ErrnoException).code));
  };
}

function toViolation(code: string | undefined): ProtocolViolation {
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
