// The tables of the store and the migrations from earlier versions.

import type Database from 'libsql';

/** Number of the present schema, stored as `user_version`. The first versions of the gateway stored 0. */
const schemaVersion = 1;

/** Each row of `run_times` covers 2 to the power of `timeBlockBits` runs. */
export const timeBlockBits = 10;

/**
 * The tables of version 0. `facts` has the settings of a run; the very first stores do not have this column. `number`
 * follows the order of arrival.
 */
const tables = `
  CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    record TEXT NOT NULL,
    facts TEXT);
  CREATE TABLE IF NOT EXISTS obligations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    id TEXT NOT NULL,
    entry TEXT NOT NULL,
    UNIQUE (run, id));
`;

/**
 * What version 1 adds to version 0.
 *
 * `ended_on` is the time of the end by the age clock, in milliseconds. `disk` is the size of the files of an ended run;
 * NULL until it is measured. The indexes cover ended runs only, so that a run enters them once. `totals` counts the
 * ended runs and their bytes by call. `run_times` has the range of `queuedAt` in each block of runs. The wall clock
 * may jump; then the order of the numbers is not the order of the times.
 */
const version1 = `
  ALTER TABLE runs ADD COLUMN call TEXT AS (record ->> '$.call') VIRTUAL;
  ALTER TABLE runs ADD COLUMN caller TEXT AS (record ->> '$.caller') VIRTUAL;
  ALTER TABLE runs ADD COLUMN outcome TEXT AS (record ->> '$.outcome') VIRTUAL;
  ALTER TABLE runs ADD COLUMN queued TEXT AS (record ->> '$.queuedAt') VIRTUAL;
  ALTER TABLE runs ADD COLUMN ended_on REAL;
  ALTER TABLE runs ADD COLUMN disk INTEGER;

  CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE totals (call TEXT PRIMARY KEY, runs INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE run_times (block INTEGER PRIMARY KEY, first TEXT NOT NULL, last TEXT NOT NULL);

  UPDATE runs SET ended_on = min(0, 86400000 * (coalesce(julianday(record ->> '$.endedAt'), 0) - (
      SELECT min(coalesce(max(julianday(record ->> '$.endedAt')), 0), julianday('now')) FROM runs)))
    WHERE state = 'ended';
  INSERT INTO totals SELECT call, count(*), 0 FROM runs WHERE state = 'ended' GROUP BY call;
  INSERT INTO run_times
    SELECT number >> ${timeBlockBits}, min(queued), max(queued) FROM runs GROUP BY number >> ${timeBlockBits};

  DROP INDEX IF EXISTS runs_state;
  CREATE INDEX runs_active ON runs (state) WHERE state <> 'ended';
  CREATE INDEX runs_unmeasured ON runs (number) WHERE state = 'ended' AND disk IS NULL;
  CREATE INDEX runs_age ON runs (ended_on) WHERE state = 'ended';
  CREATE INDEX runs_call_age ON runs (call, ended_on) WHERE state = 'ended';
  CREATE INDEX runs_output_age ON runs (ended_on) WHERE state = 'ended' AND disk > 0;
  CREATE INDEX runs_call_output_age ON runs (call, ended_on) WHERE state = 'ended' AND disk > 0;
  CREATE INDEX runs_outcome ON runs (outcome) WHERE state = 'ended';
  CREATE INDEX runs_call ON runs (call, outcome) WHERE state = 'ended';
  CREATE INDEX runs_caller ON runs (caller, outcome) WHERE state = 'ended';
  CREATE INDEX runs_call_caller ON runs (call, caller, outcome) WHERE state = 'ended';

  CREATE TRIGGER run_added AFTER INSERT ON runs BEGIN
    INSERT INTO run_times VALUES (NEW.number >> ${timeBlockBits}, NEW.queued, NEW.queued)
      ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last);
  END;
  CREATE TRIGGER ended_run_added AFTER INSERT ON runs WHEN NEW.state = 'ended' BEGIN
    INSERT INTO totals VALUES (NEW.call, 1, coalesce(NEW.disk, 0))
      ON CONFLICT DO UPDATE SET runs = runs + 1, bytes = bytes + excluded.bytes;
  END;
  CREATE TRIGGER run_ended AFTER UPDATE OF state ON runs WHEN NEW.state = 'ended' AND OLD.state <> 'ended' BEGIN
    INSERT INTO totals VALUES (NEW.call, 1, coalesce(NEW.disk, 0))
      ON CONFLICT DO UPDATE SET runs = runs + 1, bytes = bytes + excluded.bytes;
  END;
  CREATE TRIGGER run_measured AFTER UPDATE OF disk ON runs WHEN NEW.state = 'ended' AND OLD.state = 'ended' BEGIN
    UPDATE totals SET bytes = bytes + coalesce(NEW.disk, 0) - coalesce(OLD.disk, 0) WHERE call = NEW.call;
  END;
  CREATE TRIGGER run_removed AFTER DELETE ON runs WHEN OLD.state = 'ended' BEGIN
    UPDATE totals SET runs = runs - 1, bytes = bytes - coalesce(OLD.disk, 0) WHERE call = OLD.call;
  END;
`;

/**
 * Creates the tables, or migrates those of an earlier version in one transaction. Throws if the store belongs to a
 * later version of the gateway.
 */
export function migrate(db: Database.Database): void {
  const [row] = db.prepare('PRAGMA user_version').all() as { user_version: number }[];
  const version = row?.user_version ?? 0;
  if (version > schemaVersion)
    throw new Error(
      `the data folder belongs to a later version of the gateway (schema ${version}, this version knows ` +
        `${schemaVersion}); start that version, or give this one its own "data:" folder`,
    );
  if (version === schemaVersion) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    db.exec(tables);
    if (!hasFactsColumn(db)) db.exec('ALTER TABLE runs ADD COLUMN facts TEXT');
    db.exec(version1);
    db.exec(`PRAGMA user_version = ${schemaVersion}`);
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}

function hasFactsColumn(db: Database.Database): boolean {
  return (db.prepare('PRAGMA table_info(runs)').all() as { name: string }[]).some(({ name }) => name === 'facts');
}
