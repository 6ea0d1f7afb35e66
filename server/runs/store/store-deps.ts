// The dependencies that the parts of the store share, and reads that include all pending writes.

import type Database from 'libsql';
import type { AgeClock } from './age-clock.ts';
import type { WriteBatch } from './write-batch.ts';

export interface StoreDeps {
  readonly db: Database.Database;
  readonly batch: WriteBatch;
  readonly clock: AgeClock;
}

/** Reads after all pending writes. */
export function afterWrites<T>(batch: WriteBatch, read: () => T): T {
  batch.flush();
  return read();
}
