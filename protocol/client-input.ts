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
  /** Absent: its writer knows already that it was sent, on a connection that is lost. */
  readonly resolve?: (sent: boolean) => void;
}

export interface InputSink {
  send(text: string): void;
  /** Called when all input is sent and the end was asked for; again on a new connection. */
  end(): void;
}

export class ClientInput {
  readonly #sink: InputSink;
  #waiting: Waiting[] = [];
  /** Sent and not taken yet: their connection may swallow them. `upTo` is where the text ends in all of the run's input. */
  #kept: { readonly text: string; readonly bytes: number; readonly upTo: number }[] = [];
  #keptFrom = 0;
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

  /**
   * The run is announced on a connection. `addedBytes` is what the gateway adds to each text frame. `fresh`: nothing of ours can have arrived before;
   * otherwise nothing is sent until `received` says what has.
   */
  begin({ addedBytes, fresh }: { readonly addedBytes: number; readonly fresh: boolean }): void {
    this.#addedBytes = addedBytes;
    if (this.#phase !== 'held' || !fresh) return;
    this.#phase = 'flowing';
    this.#flush();
  }

  /** The connection is lost: nothing is sent until the next one. */
  hold(): void {
    if (this.#phase === 'flowing') this.#phase = 'held';
  }

  /** `bytes` in all have reached the work. */
  taken(bytes: number): void {
    this.#taken = Math.max(this.#taken, bytes);
    this.#forget(this.#taken);
    this.#flush();
  }

  /** Of the run's whole input, so much has arrived at the gateway, and so much of that has reached the work. The rest of what was sent is sent again. */
  received(taken: number, received: number): void {
    if (this.#phase === 'over') return;
    this.#taken = taken;
    if (this.#phase === 'flowing') return this.#shift(received);
    this.#forget(received);
    const again = this.#kept.slice(this.#keptFrom).map(({ text, bytes }) => ({ text, bytes }));
    this.#waiting = [...again, ...this.#waiting];
    this.#kept = [];
    this.#keptFrom = 0;
    this.#sent = received;
    if (this.#end === 'sent') this.#end = 'asked';
    this.#phase = 'flowing';
    this.#flush();
  }

  /** The run is over, or another feeds it: what waits is dropped. Safe twice. */
  close(): void {
    this.#phase = 'over';
    this.#kept = [];
    for (const { resolve } of this.#waiting.splice(0)) resolve?.(false);
  }

  #flush(): void {
    if (this.#phase !== 'flowing') return;
    let count = 0;
    for (const next of this.#waiting) {
      if (!this.#fits(next.bytes + this.#addedBytes)) break;
      this.#send(next);
      count += 1;
    }
    if (count > 0) this.#waiting = this.#waiting.slice(count);
    if (this.#waiting.length > 0 || this.#end !== 'asked') return;
    this.#end = 'sent';
    this.#sink.end();
  }

  #send({ text, bytes, resolve }: Waiting): void {
    this.#sink.send(text);
    this.#sent += bytes + this.#addedBytes;
    this.#kept.push({ text, bytes, upTo: this.#sent });
    this.#count += 1;
    if (resolve === undefined) return;
    if (this.#count % burst === 0) setTimeout(resolve, 0, true); else resolve(true);
  }

  /** A text larger than the whole credit goes alone. */
  #fits(bytes: number): boolean {
    const outstanding = this.#sent - this.#taken;
    return outstanding <= 0 || outstanding + bytes <= creditBytes;
  }

  /** What has arrived need not be kept. The list is cut when half of it is of no use. */
  #forget(upTo: number): void {
    while (this.#keptFrom < this.#kept.length && this.#kept[this.#keptFrom]!.upTo <= upTo) this.#keptFrom += 1;
    if (this.#keptFrom * 2 < this.#kept.length) return;
    this.#kept = this.#kept.slice(this.#keptFrom);
    this.#keptFrom = 0;
  }

  /** The run had input before our first: what we have sent stands behind it. */
  #shift(by: number): void {
    this.#sent += by;
    this.#kept = this.#kept.map((kept) => ({ ...kept, upTo: kept.upTo + by }));
    this.#flush();
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
