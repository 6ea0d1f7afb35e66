// Writes of one turn of the event loop in one transaction: hundreds of clients that come together cost the disk little more than one.

import type Database from 'libsql';
import { deferred, type Deferred } from '../support/deferred.ts';

export class GatheredWrites {
  readonly #db: Database.Database;
  readonly #begin: Database.Statement;
  readonly #commit: Database.Statement;
  #open: Deferred<void> | undefined;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
  }

  /** Writes, and resolves when that is on the disk, at the end of this turn; rejects when the disk refuses, and then nothing was written. Throws what `write` throws. */
  add(write: () => void): Promise<void> {
    const open = this.#open ?? this.#start();
    try {
      write();
    } catch (error) {
      // A full disk ends the whole transaction, not just the one statement.
      if (!this.#db.inTransaction) this.#end(error);
      throw error;
    }
    return open.promise;
  }

  /** Whoever writes by itself writes behind what was gathered. Never throws. */
  settle(): void {
    if (this.#open === undefined) return;
    try {
      this.#commit.run();
      this.#end();
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
      this.#end(error);
    }
  }

  #start(): Deferred<void> {
    this.#begin.run();
    this.#open = deferred<void>();
    // Who is told so hears it; nobody else has to.
    this.#open.promise.catch(() => {});
    setImmediate(() => this.settle());
    return this.#open;
  }

  #end(error?: unknown): void {
    const open = this.#open;
    this.#open = undefined;
    if (error === undefined) open?.resolve(); else open?.reject(error);
  }
}
