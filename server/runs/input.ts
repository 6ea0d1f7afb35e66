// Input of a run: bytes from its caller, queued up to a bound until the work takes them.

import type { Input } from '../../calls/contract/ports.ts';

/** What is queued is handed on in pieces of at most this, so that thousands of small lines are one write. */
const joinBytesMax = 64 << 10;

/** As many pieces are joined as soon as they are there: a million pieces of one byte would cost a hundred times their bytes. */
const smallPiecesMax = 256;

export class RunInput implements Input {
  readonly #bytesMax: number;
  #queue: Uint8Array[] = [];
  /** Of the queue, those at its start that are not small pieces any more. */
  #joined = 0;
  #queuedBytes = 0;
  #takenBytes = 0;
  #ended = false;
  #discarding = false;
  #wanted = false;
  #wake: (() => void) | undefined;
  #onTaken: ((total: number) => void) | undefined;
  #onOverflow: (() => void) | undefined;
  #spilled = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Queues bytes. False when they do not fit: the caller sends faster than the work reads, and they are lost. */
  push(bytes: Uint8Array): boolean {
    if (this.#ended) return true;
    if (this.#discarding) return this.#drop(bytes.length);
    if (!this.#fits(bytes)) {
      if (this.#wanted) return false;
      // Work that never asks for input takes none, and is not to be ended for that. Should it ask later, it is told then.
      this.#spilled = true;
      return this.#drop(bytes.length);
    }
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (this.#queue.length - this.#joined >= smallPiecesMax) this.#joinSmall();
    this.#wake?.();
    return true;
  }

  /** No more will come. Safe twice. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  discard(): void {
    this.#discarding = true;
    const dropped = this.#queuedBytes;
    this.#queue = [];
    this.#joined = 0;
    this.#queuedBytes = 0;
    this.#drop(dropped);
    this.#wake?.();
  }

  taken(bytes: number): void {
    this.#takenBytes += bytes;
    this.#onTaken?.(this.#takenBytes);
  }

  /** `listener` hears how many bytes in all have been passed on or dropped. At most one. */
  onTaken(listener: (total: number) => void): void {
    this.#onTaken = listener;
  }

  /** `listener` hears, once, that input was lost before the work asked for it. At most one. */
  onOverflow(listener: () => void): void {
    this.#onOverflow = listener;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    this.#wanted = true;
    if (this.#spilled && !this.#discarding) this.#overflow();
    for (;;) {
      if (this.#queue.length > 0) yield this.#join();
      else if (this.#ended || this.#discarding) return;
      else await new Promise<void>((resolve) => { this.#wake = resolve; });
    }
  }

  /** One message always fits, however large: its own bound is elsewhere. */
  #fits(bytes: Uint8Array): boolean {
    if (this.#spilled) return false;
    return this.#queuedBytes === 0 || this.#queuedBytes + bytes.length <= this.#bytesMax;
  }

  /** What is left is not what was sent, so none of it is handed over. */
  #overflow(): void {
    this.discard();
    this.#onOverflow?.();
  }

  #drop(bytes: number): true {
    if (bytes > 0) this.taken(bytes);
    return true;
  }

  #join(): Uint8Array {
    let count = 0;
    let bytes = 0;
    while (count < this.#queue.length && (count === 0 || bytes + this.#queue[count]!.length <= joinBytesMax)) bytes += this.#queue[count++]!.length;
    const pieces = this.#queue.splice(0, count);
    this.#joined = Math.max(0, this.#joined - count);
    this.#queuedBytes -= bytes;
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  #joinSmall(): void {
    this.#queue.push(Buffer.concat(this.#queue.splice(this.#joined)));
    this.#joined = this.#queue.length;
  }
}
