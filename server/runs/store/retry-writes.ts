// Retries writes that the disk has rejected until it accepts them.

import type { OnSettled } from './write-batch.ts';

const retryMs = 1_000;

interface RejectedWrite {
  readonly perform: (onSettled: OnSettled) => void;
  readonly onStored: () => void;
}

export class RetryWrites {
  readonly #rejected = new Set<RejectedWrite>();
  #timer: NodeJS.Timeout | undefined;

  /** Number of writes that the disk has not accepted yet. */
  get size(): number {
    return this.#rejected.size;
  }

  /** Performs the write again and again until the disk accepts it, and then calls `onStored`. */
  add(perform: RejectedWrite['perform'], onStored: () => void = () => {}): void {
    this.#rejected.add({ perform, onStored });
    this.#schedule();
  }

  /** Tries each write one last time. The store performs these writes when it is closed. */
  close(): void {
    clearTimeout(this.#timer);
    this.#retryAll();
  }

  #schedule(): void {
    if (this.#rejected.size > 0) this.#timer ??= setTimeout(() => this.#onTime(), retryMs).unref();
  }

  #onTime(): void {
    this.#timer = undefined;
    this.#retryAll();
  }

  #retryAll(): void {
    for (const write of [...this.#rejected])
      write.perform((error) => {
        if (error !== undefined) return this.#schedule();
        this.#rejected.delete(write);
        write.onStored();
      });
  }
}
