// Input of a run: bytes from its caller, queued up to a bound until the work takes them.

import type { Input } from '../../calls/contract/ports.ts';

/** What is queued is handed on in pieces of at most this, so that thousands of small lines are one write. */
const joinBytesMax = 64 << 10;

/** As many pieces are joined as soon as they are there: a million pieces of one byte would cost a hundred times their bytes. */
const smallPiecesMax = 256;

/** Whoever feeds a run is told what becomes of it. */
export interface Feeder {
  /** So many bytes in all, over the life of the run and whoever sent them, have been passed on or dropped. */
  taken?(total: number): void;
  /** Once: input was lost before the work asked for it. */
  overflow?(): void;
  /** Somebody else feeds the run from now on; what this feeder still pushes is dropped. */
  lost?(): void;
}

export interface InputTotals {
  /** Bytes that have arrived over the life of the run, whoever sent them. */
  readonly received: number;
  /** Bytes of those that have been passed on or dropped. */
  readonly taken: number;
}

/** The right to feed a run: one at a time has it, the one that asked last. */
export interface InputHold extends InputTotals {
  /** Queues bytes. False when they do not fit: they come faster than the work reads, and they are lost. True also for what nobody will read. */
  push(bytes: Uint8Array): boolean;
  /** No more will come, from anybody. Safe twice; without effect when another feeds. */
  end(): void;
  /** Leaves it to nobody; the feeder hears nothing any more. Safe twice. */
  release(): void;
}

export class RunInput implements Input {
  /** Called when input has arrived. */
  onReceived: () => void = () => {};
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
  #feeding: { readonly feeder: Feeder } | undefined;
  #receivedBytes = 0;
  #spilled = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Makes `feeder` the one that feeds; the one before it hears that. */
  hold(feeder: Feeder): InputHold {
    const before = this.#feeding;
    const mine = (this.#feeding = { feeder });
    before?.feeder.lost?.();
    const holds = (): boolean => this.#feeding === mine;
    const totals = (): InputTotals => this.totals;
    return {
      push: (bytes) => !holds() || this.push(bytes),
      end: () => { if (holds()) this.end(); },
      get received() { return totals().received; },
      get taken() { return totals().taken; },
      release: () => { if (holds()) this.#feeding = undefined; },
    };
  }

  /** Over the life of the run, whoever sent it. */
  get totals(): InputTotals {
    return { received: this.#receivedBytes, taken: this.#takenBytes };
  }

  /** As that of a hold. */
  push(bytes: Uint8Array): boolean {
    if (this.#ended) return true;
    const fits = this.#fits(bytes);
    if (!fits && this.#wanted && !this.#discarding) return false;
    this.#receivedBytes += bytes.length;
    this.onReceived();
    if (this.#discarding) return this.#drop(bytes.length);
    if (!fits) {
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
    this.#feeding?.feeder.taken?.(this.#takenBytes);
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
    this.#feeding?.feeder.overflow?.();
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
