// Creates stores as earlier versions of the gateway left them.

import { join } from 'node:path';
import Database from 'libsql';
import type { RunRecord } from '../../../protocol/run-record.ts';

/**
 * Creates a store of version 0, the last version that did not store its version number. The last of `records` has an
 * obligation.
 */
export function createOldStore(folder: string, records: readonly RunRecord[]): void {
  const db = new Database(join(folder, 'runs.db'));
  db.exec(`
    CREATE TABLE IF NOT EXISTS runs (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      state TEXT NOT NULL,
      record TEXT NOT NULL,
      facts TEXT);
    CREATE INDEX IF NOT EXISTS runs_state ON runs (state);
    CREATE TABLE IF NOT EXISTS obligations (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      run TEXT NOT NULL,
      id TEXT NOT NULL,
      entry TEXT NOT NULL,
      UNIQUE (run, id));
  `);
  const insert = db.prepare('INSERT INTO runs (id, state, record, facts) VALUES (?, ?, ?, ?)');
  for (const record of records)
    insert.run(record.id, record.state, JSON.stringify(record), JSON.stringify({ kind: 'process' }));
  const last = records.at(-1)!.id;
  const entry = { run: last, kind: 'process', id: 'process-1', facts: { pid: 5 } };
  db.prepare('INSERT INTO obligations (run, id, entry) VALUES (?, ?, ?)').run(last, 'process-1', JSON.stringify(entry));
  db.close();
}
