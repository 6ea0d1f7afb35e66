// Run records and the journal of open obligations, in SQLite.

import Database from 'libsql';
import { join } from 'node:path';
import type { ObligationEntry } from '../../calls/contract/ports.ts';
import type { RunRecord, RunState } from '../../protocol/record.ts';
import type { RunFacts } from './facts.ts';
import { Admissions } from './admissions.ts';

export interface Page {
  readonly limit: number;
  readonly before?: string;
  readonly state?: RunState;
}

/** All calls are synchronous and short; a record handed in is stored as it is. Writing throws when the disk refuses. */
export interface RunStore {
  /** `facts` are kept beside the record. Throws when the id is taken. */
  insert(record: RunRecord, facts?: RunFacts): void;
  /**
   * As `insert`, together with all that are admitted in this turn of the event loop, or before anything else is asked of the store. Resolves when the disk
   * has it; rejects when the disk refuses, or the id is taken: then it is not there.
   */
  admit(record: RunRecord, facts: RunFacts): Promise<void>;
  /** Throws when there is no such record. */
  update(record: RunRecord): void;
  get(id: string): RunRecord | undefined;
  /** Undefined of runs that an earlier version of the gateway began, and of unknown ones. */
  facts(id: string): RunFacts | undefined;
  /** Other facts in place of those of a known run. */
  keep(id: string, facts: RunFacts): void;
  /** Newest first, at most `limit`, those older than the run `before`, and in this state. */
  list(page: Page): readonly RunRecord[];
  unended(): readonly RunRecord[];
  /** Removes the record of a run that has ended and owes nothing. False when there is none such. */
  forget(id: string): boolean;
  countByState(): Readonly<Record<string, number>>;
  /** Writes an obligation down, or what has become known of it. */
  journal(entry: ObligationEntry): void;
  /** The obligation is released. */
  strike(entry: Pick<ObligationEntry, 'run' | 'id'>): void;
  /** Open obligations of a run, last in first. */
  open(run: string): readonly ObligationEntry[];
  /** Runs that have open obligations. */
  owing(): readonly string[];
  close(): void;
}

const schema = `
  CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, record TEXT NOT NULL, facts TEXT);
  CREATE INDEX IF NOT EXISTS runs_state ON runs (state);
  CREATE TABLE IF NOT EXISTS obligations (
    number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, id TEXT NOT NULL, entry TEXT NOT NULL, UNIQUE (run, id));
`;

/**
 * Opens or makes the store in `folder`, and holds it: a second gateway on the same folder would end the runs of the first.
 * Throws when it is held by another, or cannot be read.
 */
export function openStore(folder: string): RunStore {
  const db = new Database(join(folder, 'runs.db'));
  try {
    // The lock goes with the process, however that ends. NORMAL: after a power cut the last moments may be missing, never the file.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    db.exec(schema);
    if (!hasFacts(db)) db.exec('ALTER TABLE runs ADD COLUMN facts TEXT');
    db.exec('BEGIN IMMEDIATE; COMMIT;');
  } catch (error) {
    db.close();
    if (String(error).includes('locked')) throw new Error('the data folder is in use by another gateway; stop that one, or give this one its own "data:" folder');
    throw error;
  }
  return statements(db);
}

/** The table of the first version had none. */
function hasFacts(db: Database.Database): boolean {
  return (db.prepare('PRAGMA table_info(runs)').all() as { name: string }[]).some(({ name }) => name === 'facts');
}

function statements(db: Database.Database): RunStore {
  const insert = db.prepare('INSERT INTO runs (id, state, record, facts) VALUES (?, ?, ?, ?)');
  // One call into the engine for all: the call costs more than the row.
  const insertAll = db.prepare('INSERT INTO runs (id, state, record, facts) SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)');
  const update = db.prepare('UPDATE runs SET state = ?, record = ? WHERE id = ?');
  const get = db.prepare('SELECT record FROM runs WHERE id = ?');
  const facts = db.prepare('SELECT facts FROM runs WHERE id = ? AND facts IS NOT NULL');
  const keep = db.prepare('UPDATE runs SET facts = ? WHERE id = ?');
  const newest = db.prepare('SELECT record FROM runs ORDER BY number DESC LIMIT ?');
  const older = db.prepare('SELECT record FROM runs WHERE number < (SELECT number FROM runs WHERE id = ?) ORDER BY number DESC LIMIT ?');
  const newestIn = db.prepare('SELECT record FROM runs WHERE state = ? ORDER BY number DESC LIMIT ?');
  const olderIn = db.prepare('SELECT record FROM runs WHERE state = ? AND number < (SELECT number FROM runs WHERE id = ?) ORDER BY number DESC LIMIT ?');
  const unended = db.prepare("SELECT record FROM runs WHERE state <> 'ended' ORDER BY number");
  const forget = db.prepare("DELETE FROM runs WHERE id = ? AND state = 'ended' AND NOT EXISTS (SELECT 1 FROM obligations WHERE run = runs.id)");
  const counts = db.prepare('SELECT state, count(*) AS count FROM runs GROUP BY state');
  const journal = db.prepare('INSERT INTO obligations (run, id, entry) VALUES (?, ?, ?) ON CONFLICT (run, id) DO UPDATE SET entry = excluded.entry');
  const strike = db.prepare('DELETE FROM obligations WHERE run = ? AND id = ?');
  const open = db.prepare('SELECT entry FROM obligations WHERE run = ? ORDER BY number DESC');
  const owing = db.prepare('SELECT DISTINCT run FROM obligations');
  const records = (rows: unknown[]): RunRecord[] => rows.map((row) => JSON.parse((row as { record: string }).record) as RunRecord);
  const admissions = new Admissions({ insert: (row) => insert.run(...row), insertAll: (rows) => insertAll.run(JSON.stringify(rows)) });
  const behind = <T>(work: () => T): T => {
    admissions.settle();
    return work();
  };
  return {
    insert: (record, decided) => void behind(() => insert.run(record.id, record.state, JSON.stringify(record), decided === undefined ? null : JSON.stringify(decided))),
    admit: (record, decided) => admissions.add([record.id, record.state, JSON.stringify(record), JSON.stringify(decided)]),
    update: (record) => {
      if (behind(() => update.run(record.state, JSON.stringify(record), record.id)).changes === 0) throw new Error('there is no such run in the store');
    },
    get: (id) => behind(() => records(get.all(id))[0]),
    facts: (id) => behind(() => (facts.all(id) as { facts: string }[]).map((row) => JSON.parse(row.facts) as RunFacts)[0]),
    keep: (id, decided) => void behind(() => keep.run(JSON.stringify(decided), id)),
    list: ({ limit, before, state }) => behind(() => {
      if (state === undefined) return records(before === undefined ? newest.all(limit) : older.all(before, limit));
      return records(before === undefined ? newestIn.all(state, limit) : olderIn.all(state, before, limit));
    }),
    unended: () => behind(() => records(unended.all())),
    forget: (id) => behind(() => forget.run(id)).changes > 0,
    countByState: () => behind(() => Object.fromEntries((counts.all() as { state: string; count: number }[]).map(({ state, count }) => [state, count]))),
    journal: (entry) => void behind(() => journal.run(entry.run, entry.id, JSON.stringify(entry))),
    strike: ({ run, id }) => void behind(() => strike.run(run, id)),
    open: (run) => behind(() => (open.all(run) as { entry: string }[]).map((row) => JSON.parse(row.entry) as ObligationEntry)),
    owing: () => behind(() => (owing.all() as { run: string }[]).map((row) => row.run)),
    close: () => behind(() => close(db)),
  };
}

/** Safe twice. The binding keeps the file open until its statements are collected, so the hold is let go in words. */
function close(db: Database.Database): void {
  if (!db.open) return;
  try {
    db.exec('PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL; SELECT count(*) FROM runs;');
  } catch {
    // A full disk. What is in the write-ahead log is found there by the next start.
  }
  db.close();
}
