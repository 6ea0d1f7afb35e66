// Stores run records and the journal of open obligations in SQLite.

import { join } from 'node:path';
import Database from 'libsql';
import type { ObligationEntry } from '../../../calls/contract/ports.ts';
import type { RunRecord } from '../../../protocol/run-record.ts';
import { type MachineTime, machineTime } from '../../support/machine-time.ts';
import type { RunSpec } from '../run-spec.ts';
import { AgeClock, type AgeReading } from './age-clock.ts';
import { DiskReserve } from './disk-reserve.ts';
import { prepareInsertRows } from './insert-rows.ts';
import { prepareList, type RunListQuery } from './list-runs.ts';
import { prepareRetained, type RetainedRuns } from './retained-runs.ts';
import { RetryWrites } from './retry-writes.ts';
import { migrate } from './schema.ts';
import { afterWrites, type StoreDeps } from './store-deps.ts';
import { isDiskFull, type OnSettled, WriteBatch } from './write-batch.ts';

export type { RunListQuery } from './list-runs.ts';

/**
 * All methods are synchronous and short. The store performs the writes of one event-loop turn together, in one
 * transaction. It does so at the end of the turn, before the first read, or before the first write that cannot wait.
 * Writes that cannot wait throw if the disk rejects them.
 */
export interface RunStore extends RetainedRuns {
  /** Stores a new record with its settings, without delay. Throws if the id exists. */
  insert(record: RunRecord, spec?: RunSpec): void;
  /**
   * Stores a new record with its settings. Resolves when it is on disk. Rejects if the disk rejects it or the id
   * exists; then it is not stored.
   */
  insertBatched(record: RunRecord, spec: RunSpec): Promise<void>;
  /** Replaces a record without delay. Throws if it does not exist. */
  update(record: RunRecord): void;
  /**
   * Replaces a record. Calls `onSettled` when it is on disk, or with the error. `diskBytes` is the size of the files of
   * an ended run; absent: unknown.
   */
  updateBatched(record: RunRecord, onSettled: OnSettled, diskBytes?: number): void;
  get(id: string): RunRecord | undefined;
  /** Returns the settings of a run; undefined for unknown runs and for those of the first version of the gateway. */
  getSpec(id: string): RunSpec | undefined;
  /** Replaces the settings of an existing run. */
  updateSpec(id: string, spec: RunSpec): void;
  /** Returns at most `limit` records that satisfy all parts of the query, newest first. */
  list(query: RunListQuery): readonly RunRecord[];
  /** Returns the runs that have not ended, oldest first. */
  listUnfinished(): readonly RunRecord[];
  /** Returns the number of stored runs by state. */
  countByState(): Readonly<Record<string, number>>;
  /** Inserts an obligation without delay, together with all pending writes. */
  saveObligation(entry: ObligationEntry): void;
  /**
   * Replaces the facts of an obligation together with the next other write, or after a short delay. Calls `onSettled`
   * when they are on disk, or with the error.
   */
  updateObligation(entry: ObligationEntry, onSettled: OnSettled): void;
  /**
   * Deletes a released obligation. Calls `onSettled` when it is deleted on disk, or with the error. After an error,
   * tries again until the disk accepts it.
   */
  deleteObligation(entry: Pick<ObligationEntry, 'run' | 'id'>, onSettled?: OnSettled): void;
  /** Returns the open obligations of a run, last in first out. */
  openObligations(run: string): readonly ObligationEntry[];
  /** Returns the runs with open obligations. */
  runsWithObligations(): readonly string[];
  /** Performs the pending writes now. Never throws. */
  flush(): void;
  /** Returns the error with which the disk rejected the last write; undefined if it accepted it. */
  writeError(): unknown;
  /** Space that is kept for the store. */
  readonly reserve: DiskReserve;
  /** Idempotent. */
  close(): void;
}

export interface StoreOptions {
  readonly machine?: () => MachineTime;
}

/**
 * Opens or creates the store in `folder`, migrates it if an earlier version wrote it, and locks it. Otherwise a second
 * gateway in this folder would end the runs of the first. Throws if the store is locked or cannot be read.
 */
export function openStore(folder: string, { machine = machineTime }: StoreOptions = {}): RunStore {
  const db = new Database(join(folder, 'runs.db'));
  const reserve = new DiskReserve(folder);
  try {
    // The lock ends with the process. With NORMAL, a power failure may lose the most recent writes but never damages
    // the file.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    retryWithSpace(reserve, () => migrate(db));
    db.exec('BEGIN IMMEDIATE; COMMIT;');
  } catch (error) {
    db.close();
    if (String(error).includes('locked'))
      throw new Error(
        'the data folder is in use by another gateway; stop that one, or give this one its own "data:" folder',
      );
    throw error;
  }
  reserve.hold();
  return createRunStore(db, reserve, machine);
}

function retryWithSpace(reserve: DiskReserve, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isDiskFull(error) || !reserve.release()) throw error;
    work();
  }
}

function createRunStore(db: Database.Database, reserve: DiskReserve, machine: () => MachineTime): RunStore {
  const batch = new WriteBatch({ db, freeSpace: () => reserve.release() });
  const stored = readFact(db, ageClockFact) as AgeReading | undefined;
  const clock = new AgeClock(stored, machine);
  const parts = { db, batch, clock };
  const retryDeletes = new RetryWrites();
  return {
    ...prepareRunWrites(parts),
    ...prepareRunQueries(parts),
    ...prepareSpecs(parts),
    ...prepareObligations(parts, retryDeletes),
    ...prepareRetained(parts, {
      restarted: stored !== undefined && stored.at.boot !== machine().boot,
      saveClock: () => writeFact(parts, ageClockFact, clock.read()),
    }),
    flush: () => batch.flush(),
    writeError: () => batch.error,
    reserve,
    close() {
      retryDeletes.close();
      batch.flush();
      close(db);
    },
  };
}

const ageClockFact = 'age-clock';

function readFact(db: Database.Database, name: string): unknown {
  const [row] = db.prepare('SELECT value FROM facts WHERE name = ?').all(name) as { value: string }[];
  return row === undefined ? undefined : (JSON.parse(row.value) as unknown);
}

/** Throws if the disk rejects the write. */
function writeFact({ db, batch }: StoreDeps, name: string, value: unknown): void {
  const write = db.prepare('INSERT INTO facts VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value');
  batch.addNow(() => write.run(name, JSON.stringify(value)));
}

function prepareRunWrites(deps: StoreDeps): Pick<RunStore, 'insert' | 'insertBatched' | 'update' | 'updateBatched'> {
  const { db, batch, clock } = deps;
  const insert = db.prepare('INSERT INTO runs (id, state, record, facts, ended_on) VALUES (?, ?, ?, ?, ?)');
  const update = db.prepare('UPDATE runs SET state = ?, record = ? WHERE id = ?');
  const end = db.prepare(
    `UPDATE runs SET state = 'ended', record = ?, ended_on = coalesce(ended_on, ?), disk = coalesce(?, disk)
     WHERE id = ?`,
  );
  const insertRow = (record: RunRecord, spec: RunSpec | undefined): void =>
    void insert.run(
      record.id,
      record.state,
      JSON.stringify(record),
      spec === undefined ? null : JSON.stringify(spec),
      record.state === 'ended' ? clock.elapsedMs : null,
    );
  const updateRow = (record: RunRecord, diskBytes: number | undefined): void => {
    const json = JSON.stringify(record);
    const { changes } =
      record.state === 'ended'
        ? end.run(json, clock.elapsedMs, diskBytes ?? null, record.id)
        : update.run(record.state, json, record.id);
    if (changes === 0) throw new Error('no such run in the store');
  };
  return {
    insert: (record, spec) => batch.addNow(() => insertRow(record, spec)),
    insertBatched: prepareInsertRows(deps),
    update: (record) => batch.addNow(() => updateRow(record, undefined)),
    updateBatched: (record, onSettled, diskBytes) => batch.add(() => updateRow(record, diskBytes), onSettled),
  };
}

function prepareRunQueries({
  db,
  batch,
}: StoreDeps): Pick<RunStore, 'get' | 'list' | 'listUnfinished' | 'countByState'> {
  const get = db.prepare('SELECT record FROM runs WHERE id = ?');
  const list = prepareList(db);
  const unfinished = db.prepare(
    "SELECT record FROM runs INDEXED BY runs_active WHERE state <> 'ended' ORDER BY number",
  );
  const counts = db.prepare(
    `SELECT state, count(*) AS count FROM runs WHERE state <> 'ended' GROUP BY state
     UNION ALL SELECT 'ended', sum(runs) FROM totals HAVING sum(runs) > 0`,
  );
  return {
    get: (id) => afterWrites(batch, () => parseRecords(get.all(id))[0]),
    list: (query) => afterWrites(batch, () => list(query)),
    listUnfinished: () => afterWrites(batch, () => parseRecords(unfinished.all())),
    countByState: () =>
      afterWrites(batch, () =>
        Object.fromEntries(
          (counts.all() as { state: string; count: number }[]).map(({ state, count }) => [state, count]),
        ),
      ),
  };
}

function parseRecords(rows: unknown[]): RunRecord[] {
  return rows.map((row) => JSON.parse((row as { record: string }).record) as RunRecord);
}

function prepareSpecs({ db, batch }: StoreDeps): Pick<RunStore, 'getSpec' | 'updateSpec'> {
  const get = db.prepare('SELECT facts FROM runs WHERE id = ? AND facts IS NOT NULL');
  const update = db.prepare('UPDATE runs SET facts = ? WHERE id = ?');
  return {
    getSpec: (id) =>
      afterWrites(batch, () => (get.all(id) as { facts: string }[]).map((row) => JSON.parse(row.facts) as RunSpec)[0]),
    updateSpec: (id, spec) => void batch.addNow(() => update.run(JSON.stringify(spec), id)),
  };
}

function prepareObligations(
  { db, batch }: StoreDeps,
  retryDeletes: RetryWrites,
): Pick<
  RunStore,
  'saveObligation' | 'updateObligation' | 'deleteObligation' | 'openObligations' | 'runsWithObligations'
> {
  const save = db.prepare(
    `INSERT INTO obligations (run, id, entry) VALUES (?, ?, ?)
     ON CONFLICT (run, id) DO UPDATE SET entry = excluded.entry`,
  );
  const remove = db.prepare('DELETE FROM obligations WHERE run = ? AND id = ?');
  const open = db.prepare('SELECT entry FROM obligations WHERE run = ? ORDER BY number DESC');
  const runs = db.prepare('SELECT DISTINCT run FROM obligations');
  const deleteSoon = ({ run, id }: Pick<ObligationEntry, 'run' | 'id'>, onSettled: OnSettled): void =>
    batch.add(() => void remove.run(run, id), onSettled);
  const saveRow = (entry: ObligationEntry): void => void save.run(entry.run, entry.id, JSON.stringify(entry));
  return {
    saveObligation: (entry) => batch.addNow(() => saveRow(entry)),
    updateObligation: (entry, onSettled) => {
      const write = (): void => saveRow(entry);
      // A later gateway can find a process by its mark. It may find other work only by these facts.
      if (entry.kind === 'process') batch.addLater(write, onSettled);
      else batch.add(write, onSettled);
    },
    deleteObligation: (entry, onSettled) =>
      deleteSoon(entry, (error) => {
        if (error !== undefined) retryDeletes.add((onRetried) => deleteSoon(entry, onRetried));
        onSettled?.(error);
      }),
    openObligations: (run) =>
      afterWrites(batch, () =>
        (open.all(run) as { entry: string }[]).map((row) => JSON.parse(row.entry) as ObligationEntry),
      ),
    runsWithObligations: () => afterWrites(batch, () => (runs.all() as { run: string }[]).map((row) => row.run)),
  };
}

/**
 * Closes the store. Idempotent. Releases the lock explicitly, because the binding keeps the file open until its
 * statements are garbage-collected.
 */
function close(db: Database.Database): void {
  if (!db.open) return;
  try {
    db.exec('PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL; SELECT 1 FROM facts LIMIT 1;');
  } catch {
    // The disk may be full. The next start reads the rest from the write-ahead log.
  }
  db.close();
}
