// Input on its way from a client to the work: sent in order, and never more of it outstanding than the gateway has granted.

/** The gateway ends a run whose unread input outgrows its queue (1 MiB unless configured); half of that leaves room. */
export const creditBytes = 512 << 10;

/**
 * So many texts are sent before a writer that awaits each is made to wait a moment. Without that it would keep the whole program busy with sending:
 * nothing would be read, not even the result, and a gateway that has said goodbye does not wait for long.
 */
const burst = 1024;

interface Waiting {
  readonly text: string;
  readonly bytes: number;
  readonly resolve: (sent: boolean) => void;
}

export interface InputSink {
  send(text: string): void;
  /** Called once, when all input is sent and the end was asked for. */
  end(): void;
}

export class ClientInput {
  readonly #sink: InputSink;
  #waiting: Waiting[] = [];
  #sent = 0;
  #taken = 0;
  #phase: 'held' | 'flowing' | 'over' = 'held';
  #end: 'open' | 'asked' | 'sent' = 'open';
  #addedBytes = 0;
  #count = 0;

  constructor(sink: InputSink) {
    this.#sink = sink;
  }

  /** Resolves with true when the text is sent, with false when nobody will read it. */
  write(text: string): Promise<boolean> {
    if (this.#phase === 'over' || this.#end !== 'open') return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#waiting.push({ text, bytes: utf8Length(text), resolve });
      this.#flush();
    });
  }

  /** No more input. Safe twice. */
  end(): void {
    if (this.#end === 'open') this.#end = 'asked';
    this.#flush();
  }

  /** The run is accepted; `addedBytes` is what the gateway adds to each text frame. Safe twice. */
  open(addedBytes: number): void {
    if (this.#phase !== 'held') return;
    this.#phase = 'flowing';
    this.#addedBytes = addedBytes;
    this.#flush();
  }

  /** `bytes` in all have reached the work. */
  taken(bytes: number): void {
    this.#taken = Math.max(this.#taken, bytes);
    this.#flush();
  }

  /** The run is over: what waits is dropped. */
  close(): void {
    this.#phase = 'over';
    for (const { resolve } of this.#waiting.splice(0)) resolve(false);
  }

  #flush(): void {
    if (this.#phase !== 'flowing') return;
    let count = 0;
    for (const next of this.#waiting) {
      if (!this.#fits(next.bytes + this.#addedBytes)) break;
      this.#sink.send(next.text);
      this.#count += 1;
      if (this.#count % burst === 0) setTimeout(next.resolve, 0, true); else next.resolve(true);
      this.#sent += next.bytes + this.#addedBytes;
      count += 1;
    }
    if (count > 0) this.#waiting = this.#waiting.slice(count);
    if (this.#waiting.length > 0 || this.#end !== 'asked') return;
    this.#end = 'sent';
    this.#sink.end();
  }

  /** A text larger than the whole credit goes alone. */
  #fits(bytes: number): boolean {
    const outstanding = this.#sent - this.#taken;
    return outstanding <= 0 || outstanding + bytes <= creditBytes;
  }
}

/** Bytes of `text` as UTF-8. A lone surrogate counts as the U+FFFD that a websocket sends for it. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit >= 0x80) bytes += unit < 0x800 ? 1 : 2;
    // The second half of a pair is in the four bytes already: one for each unit, two more for the first.
    if (isHigh(unit) && isLow(text.charCodeAt(at + 1))) at += 1;
  }
  return bytes;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
