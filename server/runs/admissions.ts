// Runs that are to be stored, gathered over one turn of the event loop: hundreds of clients that come together cost the disk little more than one.

import { deferred, type Deferred } from '../support/deferred.ts';

/** The columns of a row. */
export type Row = readonly [id: string, state: string, record: string, facts: string];

export interface AdmissionsParts {
  /** Stores all of them or, when it throws, none. */
  insertAll(rows: readonly Row[]): void;
  insert(row: Row): void;
}

export class Admissions {
  readonly #parts: AdmissionsParts;
  #waiting: { readonly row: Row; readonly stored: Deferred<void> }[] = [];

  constructor(parts: AdmissionsParts) {
    this.#parts = parts;
  }

  /** Resolves when the row is stored, at the end of this turn, or earlier by `settle`; rejects when it cannot be. */
  add(row: Row): Promise<void> {
    if (this.#waiting.length === 0) setImmediate(() => this.settle());
    const stored = deferred<void>();
    this.#waiting.push({ row, stored });
    return stored.promise;
  }

  /** Whoever reads or writes by itself comes behind what was gathered. Never throws. */
  settle(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      this.#parts.insertAll(waiting.map(({ row }) => row));
      for (const { stored } of waiting) stored.resolve();
    } catch {
      // What is wrong with one of them is not the others' fault.
      for (const { row, stored } of waiting) this.#insert(row, stored);
    }
  }

  #insert(row: Row, stored: Deferred<void>): void {
    try {
      this.#parts.insert(row);
      stored.resolve();
    } catch (error) {
      stored.reject(error);
    }
  }
}
