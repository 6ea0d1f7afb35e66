// The input of a run: bytes from clients, queued until the work reads them.
//
// The first bytes wait in memory. What does not fit there waits in a file, up to a limit of its own.

import type { Input } from '../../../calls/contract/ports.ts';
import { InputFile, type InputFileOptions } from './input-file.ts';
import { MemoryQueue } from './memory-queue.ts';

/** Callbacks for the holder of the input lease. */
export interface InputListener {
  /** `total` bytes were taken or dropped so far, over the life of the run and from all clients. */
  taken?(total: number): void;
  /** Called at most once, when the work starts to read but some input was lost before. */
  overflowed?(): void;
  /** Another client now holds the lease. Bytes that the previous holder pushes from now on are dropped. */
  superseded?(): void;
}

export interface InputCounters {
  /** Bytes received over the life of the run, from all clients. */
  readonly received: number;
  /** How many of the received bytes were taken or dropped. */
  readonly taken: number;
}

/** Exclusive lease on a run's input. The most recent acquirer holds it. */
export interface InputLease extends InputCounters {
  /**
   * Queues bytes. Returns false if they exceed the limit while the work reads; then they are lost. Returns true for
   * bytes that nothing will read.
   */
  push(bytes: Uint8Array): boolean;
  /** Ends the input for all clients. Idempotent; has no effect if another client holds the lease. */
  end(): void;
  /** Releases the lease and stops calling the listener. Idempotent. */
  release(): void;
  /** True while the disk is behind: take no more input from the client and await `drained()`. */
  readonly full: boolean;
  /** Resolves when the disk is no longer behind. Never rejects. */
  drained(): Promise<void>;
}

/** The file for input that does not fit into memory. */
export type InputSpill = Pick<InputFileOptions, 'bytesMax' | 'create' | 'onFailure'>;

export class RunInput implements Input {
  /** Called when input has arrived. */
  onReceived: () => void = () => {};
  readonly #bytesMax: number;
  readonly #spill: InputSpill | undefined;
  readonly #memory = new MemoryQueue();
  #file: InputFile | undefined;
  #takenBytes = 0;
  #ended = false;
  #discarding = false;
  #isRead = false;
  #wake: (() => void) | undefined;
  #holder: { readonly listener: InputListener } | undefined;
  #receivedBytes = 0;
  #overflowed = false;

  /** `bytesMax` limits the bytes in memory. Without `spill`, more are rejected. */
  constructor(bytesMax: number, spill?: InputSpill) {
    this.#bytesMax = bytesMax;
    this.#spill = spill;
  }

  /** Passes the lease to `listener` and notifies the previous holder. */
  acquire(listener: InputListener): InputLease {
    const before = this.#holder;
    const mine = (this.#holder = { listener });
    before?.listener.superseded?.();
    const holds = (): boolean => this.#holder === mine;
    const counters = (): InputCounters => this.counters;
    const file = (): InputFile | undefined => this.#file;
    return {
      push: (bytes) => !holds() || this.push(bytes),
      end: () => {
        if (holds()) this.end();
      },
      get received() {
        return counters().received;
      },
      get taken() {
        return counters().taken;
      },
      release: () => {
        if (holds()) this.#holder = undefined;
      },
      get full() {
        return file()?.full === true;
      },
      drained: async () => file()?.drained(),
    };
  }

  /** Counts bytes over the life of the run, from all clients. */
  get counters(): InputCounters {
    return { received: this.#receivedBytes, taken: this.#takenBytes };
  }

  /** Like `InputLease.push`, without a lease. */
  push(bytes: Uint8Array): boolean {
    if (this.#ended) return true;
    if (!this.#discarding && !this.#store(bytes)) {
      if (this.#isRead) return false;
      // Work that never reads its input must not fail because input was lost. If it reads later, the loss is reported
      // then.
      this.#overflowed = true;
    }
    this.#receivedBytes += bytes.length;
    this.onReceived();
    if (this.#discarding || this.#overflowed) this.#drop(bytes.length);
    else this.#wake?.();
    return true;
  }

  /** Ends the input. Idempotent. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  discard(): void {
    this.#discarding = true;
    const dropped = this.#memory.bytes + (this.#file?.bytes ?? 0);
    this.#memory.takeAll();
    void this.#file?.close();
    this.#drop(dropped);
    this.#wake?.();
  }

  taken(bytes: number): void {
    this.#takenBytes += bytes;
    this.#holder?.listener.taken?.(this.#takenBytes);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    this.#isRead = true;
    if (this.#overflowed && !this.#discarding) this.#reportOverflow();
    for (;;) {
      if (this.#memory.bytes > 0) yield this.#memory.take();
      else if (this.#file !== undefined && this.#file.bytes > 0) {
        const chunk = await this.#file.take();
        if (chunk !== undefined) yield chunk;
      } else if (this.#ended || this.#discarding) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  /** Queues bytes in memory, or behind those in the file. Returns false if they exceed the limits. */
  #store(bytes: Uint8Array): boolean {
    if (this.#overflowed) return false;
    const inFile = this.#file?.bytes ?? 0;
    // The first message in the queue always fits, because `messageBytesMax` limits its size.
    const fits = this.#memory.bytes === 0 || this.#memory.bytes + bytes.length <= this.#bytesMax;
    if (inFile > 0 || !fits) return this.#storeInFile(bytes);
    this.#memory.push(bytes);
    return true;
  }

  #storeInFile(bytes: Uint8Array): boolean {
    const spill = this.#spill;
    if (spill === undefined || bytes.length > spill.bytesMax) return false;
    this.#file ??= new InputFile({
      ...spill,
      pendingBytesMax: this.#bytesMax,
      onFailure: (error) => {
        this.discard();
        spill.onFailure(error);
      },
    });
    return this.#file.push(bytes);
  }

  /** Drops the queued input as well: after a loss it is incomplete. */
  #reportOverflow(): void {
    this.discard();
    this.#holder?.listener.overflowed?.();
  }

  #drop(bytes: number): void {
    if (bytes > 0) this.taken(bytes);
  }
}
