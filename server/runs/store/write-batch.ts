// Performs all writes of one event-loop turn in one transaction, because a transaction costs more than a write. Writes
// that are not urgent wait for others.

import type Database from 'libsql';

/** Called when the write is on disk, or with the error that rejected it. Must not throw. */
export type OnSettled = (error?: unknown) => void;

export interface WriteBatchDeps {
  readonly db: Pick<Database.Database, 'prepare'>;
  /** Called when the disk has no space. Returns true if it freed some, so that another attempt may succeed. */
  readonly freeSpace: () => boolean;
}

interface Write {
  readonly perform: () => void;
  readonly onSettled: OnSettled;
}

/** How long `addLater` waits for other writes. */
const laterMs = 50;

export class WriteBatch {
  readonly #deps: WriteBatchDeps;
  readonly #transaction: { readonly [step in 'begin' | 'commit' | 'rollback']: Pick<Database.Statement, 'run'> };
  #pending: Write[] = [];
  #isScheduled = false;
  #laterTimer: NodeJS.Timeout | undefined;
  #error: unknown;

  constructor(deps: WriteBatchDeps) {
    this.#deps = deps;
    const { db } = deps;
    this.#transaction = {
      begin: db.prepare('BEGIN IMMEDIATE'),
      commit: db.prepare('COMMIT'),
      rollback: db.prepare('ROLLBACK'),
    };
  }

  /** The error with which the disk rejected the last write; undefined if it accepted it. */
  get error(): unknown {
    return this.#error;
  }

  /** Adds a write. It is performed at the end of this turn, or at an earlier `flush`. `perform` throws if it fails. */
  add(perform: () => void, onSettled: OnSettled = () => {}): void {
    this.#pending.push({ perform, onSettled });
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.flush();
    });
  }

  /** Like `add`, for a write that is not urgent: it is performed with the next other write, or after `laterMs`. */
  addLater(perform: () => void, onSettled: OnSettled = () => {}): void {
    this.#pending.push({ perform, onSettled });
    this.#laterTimer ??= setTimeout(() => this.flush(), laterMs);
  }

  /** Performs the pending writes and this one. Throws the error of this one. */
  addNow<T>(perform: () => T): T {
    let result: { readonly value: T } | undefined;
    let failure: { readonly error: unknown } | undefined;
    this.#pending.push({
      perform: () => {
        result = { value: perform() };
      },
      onSettled: (error) => {
        if (error !== undefined) failure = { error };
      },
    });
    this.flush();
    if (failure !== undefined) throw failure.error;
    return result!.value;
  }

  /** Performs the pending writes. Call it before any read. Never throws. */
  flush(): void {
    if (this.#pending.length === 0) return;
    const writes = this.#pending;
    this.#pending = [];
    clearTimeout(this.#laterTimer);
    this.#laterTimer = undefined;
    if (writes.length > 1 && this.#performTogether(writes)) for (const { onSettled } of writes) onSettled();
    // One by one, so that a write that fails does not affect the others.
    else for (const write of writes) this.#performAlone(write);
  }

  #performTogether(writes: readonly Write[]): boolean {
    try {
      this.#transaction.begin.run();
      for (const { perform } of writes) perform();
      this.#transaction.commit.run();
      this.#error = undefined;
      return true;
    } catch {
      this.#rollBack();
      return false;
    }
  }

  /** SQLite may have rolled back already. */
  #rollBack(): void {
    try {
      this.#transaction.rollback.run();
    } catch {
      // No transaction is open.
    }
  }

  #performAlone({ perform, onSettled }: Write): void {
    try {
      this.#performWithSpace(perform);
      this.#error = undefined;
    } catch (error) {
      if (!isMistake(error)) this.#error = error;
      return onSettled(error);
    }
    onSettled();
  }

  #performWithSpace(perform: () => void): void {
    try {
      perform();
    } catch (error) {
      if (!isDiskFull(error) || !this.#deps.freeSpace()) throw error;
      perform();
    }
  }
}

/** True if the write itself is wrong, so that free disk space would not help. */
function isMistake(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code !== 'string' || code.startsWith('SQLITE_CONSTRAINT');
}

export function isDiskFull(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return code === 'SQLITE_FULL' || code === 'ENOSPC' || code === 'EDQUOT';
}
