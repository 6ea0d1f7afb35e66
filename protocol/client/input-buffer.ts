// Flow-controlled input from a client to its run: sends texts in order, within the credit that the gateway grants.

/**
 * Maximum number of bytes that are sent and not yet read. The gateway ends a run whose unread input exceeds its queue
 * (1 MiB by default), so half of that is a safe margin.
 */
export const creditBytes = 512 << 10;

/**
 * After this many sent texts, `write` resolves from a timer instead of at once. A loop of awaited writes would
 * otherwise starve the event loop, and the program would receive no messages, not even the result.
 */
const sendBurst = 1024;

interface QueuedText {
  readonly text: string | Uint8Array;
  /** The size in bytes, without what the gateway adds. */
  readonly bytes: number;
  /**
   * Reports the result to the writer. Absent for a text that is sent again: its writer already got `true` on an earlier
   * connection.
   */
  readonly resolve?: (sent: boolean) => void;
}

export interface InputSink {
  send(text: string | Uint8Array): void;
  /** Called once all input is sent and `end` was requested. Called again after each reconnect. */
  end(): void;
}

export class InputBuffer {
  readonly #sink: InputSink;
  #queue: QueuedText[] = [];
  /**
   * Texts that were sent but perhaps dropped by a lost connection. `upTo` is the position of the end of the text in the
   * run's whole input, in bytes.
   */
  #unreceived: { readonly text: string | Uint8Array; readonly bytes: number; readonly upTo: number }[] = [];
  #firstUnreceived = 0;
  #sentBytes = 0;
  #takenBytes = 0;
  #phase: 'paused' | 'sending' | 'closed' = 'paused';
  #end: 'open' | 'requested' | 'sent' = 'open';
  #addedBytes = 0;
  #sentCount = 0;

  constructor(sink: InputSink) {
    this.#sink = sink;
  }

  /** Resolves with true when the text is sent, or with false if the run accepts no more input. */
  write(text: string | Uint8Array): Promise<boolean> {
    if (this.#phase === 'closed' || this.#end !== 'open') return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#queue.push({ text, bytes: typeof text === 'string' ? utf8Length(text) : text.length, resolve });
      this.#flush();
    });
  }

  /** Ends the input after everything queued. Idempotent. */
  end(): void {
    if (this.#end === 'open') this.#end = 'requested';
    this.#flush();
  }

  /**
   * Starts sending on a connection that has announced the run. `addedBytes` is what the gateway adds to each text
   * frame. Set `fresh` if no earlier connection sent input; otherwise nothing is sent before `onReceived`.
   */
  start({ addedBytes, fresh }: { readonly addedBytes: number; readonly fresh: boolean }): void {
    this.#addedBytes = addedBytes;
    if (this.#phase !== 'paused' || !fresh) return;
    this.#phase = 'sending';
    this.#flush();
  }

  /** Stops sending until the next connection. */
  pause(): void {
    if (this.#phase === 'sending') this.#phase = 'paused';
  }

  /** Handles the message that the work has now read `bytes` of the input in total. */
  onTaken(bytes: number): void {
    this.#takenBytes = Math.max(this.#takenBytes, bytes);
    this.#dropReceived(this.#takenBytes);
    this.#flush();
  }

  /**
   * Handles the message that tells how much of the run's whole input the gateway has received and the work has read, in
   * bytes. While paused, resumes and sends the rest again; while sending, only moves the offsets.
   */
  onReceived(taken: number, received: number): void {
    if (this.#phase === 'closed') return;
    this.#takenBytes = taken;
    if (this.#phase === 'sending') return this.#shiftOffsets(received);
    this.#dropReceived(received);
    const resend = this.#unreceived.slice(this.#firstUnreceived).map(({ text, bytes }) => ({ text, bytes }));
    this.#queue = [...resend, ...this.#queue];
    this.#unreceived = [];
    this.#firstUnreceived = 0;
    this.#sentBytes = received;
    if (this.#end === 'sent') this.#end = 'requested';
    this.#phase = 'sending';
    this.#flush();
  }

  /** Drops everything queued, because the run has ended or another session writes its input. Idempotent. */
  close(): void {
    this.#phase = 'closed';
    this.#unreceived = [];
    for (const { resolve } of this.#queue.splice(0)) resolve?.(false);
  }

  /** Accepts texts again after `close`. Sends nothing before `onReceived`. */
  reopen(): void {
    this.#phase = 'paused';
    this.#end = 'open';
    this.#firstUnreceived = 0;
  }

  #flush(): void {
    if (this.#phase !== 'sending') return;
    let count = 0;
    for (const next of this.#queue) {
      if (!this.#fitsCredit(next.bytes + this.#added(next.text))) break;
      this.#send(next);
      count += 1;
    }
    if (count > 0) this.#queue = this.#queue.slice(count);
    if (this.#queue.length > 0 || this.#end !== 'requested') return;
    this.#end = 'sent';
    this.#sink.end();
  }

  /**
   * Returns how many bytes the gateway adds: one line feed to a text, nothing to bytes or to the input of a terminal.
   */
  #added(text: QueuedText['text']): number {
    return typeof text === 'string' ? this.#addedBytes : 0;
  }

  #send({ text, bytes, resolve }: QueuedText): void {
    this.#sink.send(text);
    this.#sentBytes += bytes + this.#added(text);
    this.#unreceived.push({ text, bytes, upTo: this.#sentBytes });
    this.#sentCount += 1;
    if (resolve === undefined) return;
    if (this.#sentCount % sendBurst === 0) setTimeout(resolve, 0, true);
    else resolve(true);
  }

  /** Returns true if `bytes` fit into the credit now. A text larger than the whole credit is sent alone. */
  #fitsCredit(bytes: number): boolean {
    const outstanding = this.#sentBytes - this.#takenBytes;
    return outstanding <= 0 || outstanding + bytes <= creditBytes;
  }

  /** Drops texts that have arrived. Cuts the array only when half of it is unused. */
  #dropReceived(upTo: number): void {
    while (this.#firstUnreceived < this.#unreceived.length && this.#unreceived[this.#firstUnreceived]!.upTo <= upTo)
      this.#firstUnreceived += 1;
    if (this.#firstUnreceived * 2 < this.#unreceived.length) return;
    this.#unreceived = this.#unreceived.slice(this.#firstUnreceived);
    this.#firstUnreceived = 0;
  }

  /** Moves the offsets of this session: another session wrote input first, so the input of this one starts after it. */
  #shiftOffsets(by: number): void {
    this.#sentBytes += by;
    this.#unreceived = this.#unreceived.map((entry) => ({ ...entry, upTo: entry.upTo + by }));
    this.#flush();
  }
}

/**
 * Returns the UTF-8 length of `text` in bytes. A lone surrogate counts as U+FFFD, which a websocket sends in its place.
 */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit >= 0x80) bytes += unit < 0x800 ? 1 : 2;
    // A surrogate pair takes four bytes: two are counted in `text.length`, two were just added. Skip the low surrogate.
    if (isHighSurrogate(unit) && isLowSurrogate(text.charCodeAt(at + 1))) at += 1;
  }
  return bytes;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
