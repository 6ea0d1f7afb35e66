// Runs that have ended and whose record the disk refuses: tried again until it takes them.

import type { Run } from './run.ts';

const againMs = 1_000;

export class Unstored {
  readonly #runs = new Map<Run, () => void>();
  #timer: NodeJS.Timeout | undefined;

  /** `onStored` is called when the record of this ended run is stored: now, or when the disk takes it again. */
  settle(run: Run, onStored: () => void): void {
    if (run.stored) return onStored();
    this.#runs.set(run, onStored);
    this.#timer ??= setTimeout(() => this.#again(), againMs).unref();
  }

  /** A last try. */
  close(): void {
    clearTimeout(this.#timer);
    for (const run of this.#runs.keys()) run.store();
  }

  #again(): void {
    this.#timer = undefined;
    const runs = [...this.#runs];
    this.#runs.clear();
    for (const [run, onStored] of runs) {
      run.store();
      this.settle(run, onStored);
    }
  }
}
