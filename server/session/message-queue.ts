// Spreads the messages of a client over turns of the event loop: a client that sends thousands at once must not delay
// the others.
//
// The option `allowSynchronousEvents: false` of ws is no substitute: with ws 8.23 it makes the receiver throw.

/** Number of messages of one client that are handled in one turn. */
const messagesPerTurn = 16;

interface Message {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

export class MessageQueue {
  readonly #handle: (data: Buffer, isBinary: boolean) => void;
  readonly #onBusy: (busy: boolean) => void;
  #waiting: Message[] = [];
  #handledInTurn = 0;
  #nextTurn: NodeJS.Immediate | undefined;

  /** Calls `onBusy` with true when messages begin to wait, and with false when none waits. */
  constructor(handle: (data: Buffer, isBinary: boolean) => void, onBusy: (busy: boolean) => void) {
    this.#handle = handle;
    this.#onBusy = onBusy;
  }

  /** Handles the message now, or in a later turn after the messages before it. */
  push(data: Buffer, isBinary: boolean): void {
    this.#nextTurn ??= setImmediate(() => this.#startTurn());
    if (this.#waiting.length === 0 && this.#handledInTurn < messagesPerTurn) {
      this.#handledInTurn += 1;
      return this.#handle(data, isBinary);
    }
    if (this.#waiting.push({ data, isBinary }) === 1) this.#onBusy(true);
  }

  /** Handles all waiting messages now. Call it before the end of the connection is handled. */
  flush(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const { data, isBinary } of waiting) this.#handle(data, isBinary);
    this.#onBusy(false);
  }

  #startTurn(): void {
    this.#nextTurn = undefined;
    const messages = this.#waiting.splice(0, messagesPerTurn);
    this.#handledInTurn = messages.length;
    if (messages.length === 0) return;
    this.#nextTurn = setImmediate(() => this.#startTurn());
    for (const { data, isBinary } of messages) this.#handle(data, isBinary);
    if (this.#waiting.length === 0) this.#onBusy(false);
  }
}
