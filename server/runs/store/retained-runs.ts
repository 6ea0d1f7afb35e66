// The queries and deletions of retention. Each query takes time proportional to its result.

import { timeBlockBits } from './schema.ts';
import { afterWrites, type StoreDeps } from './store-deps.ts';

/** An ended run without open obligations. */
export interface RemovableRun {
  readonly id: string;
  /** Time since its end by the age clock. */
  readonly ageMs: number;
  /** Size of its files. */
  readonly bytes: number;
}

export interface CallTotals {
  readonly call: string;
  /** Number of ended runs. */
  readonly runs: number;
  /** Size of their files. */
  readonly bytes: number;
}

export interface OldestQuery {
  /** Absent: runs of all calls. */
  readonly call?: string | undefined;
  /** True: only runs with files. */
  readonly withFiles?: boolean;
  readonly limit: number;
}

export interface RetainedRuns {
  /** Counts the ended runs of each call. */
  totals(): readonly CallTotals[];
  /** Returns the removable runs that ended first, oldest first. */
  oldest(query: OldestQuery): readonly RemovableRun[];
  /** Returns ended runs whose size is unknown, at most `limit`. */
  unmeasured(limit: number): readonly string[];
  /** Stores the size of an ended run. Throws if the disk rejects the write. */
  setDiskBytes(id: string, bytes: number): void;
  /**
   * Deletes the records of ended runs without open obligations, all or none. Returns the deleted ones. Throws if the
   * disk rejects the write.
   */
  deleteRuns(ids: readonly string[]): readonly string[];
  /** Stores the age clock, so that a restart of the machine does not set it back. Throws if the disk rejects it. */
  saveAgeClock(): void;
  /** True if the machine was restarted since the last gateway ran: a power failure may have lost the newest records. */
  readonly machineRestarted: boolean;
}

const removable = "state = 'ended' AND NOT EXISTS (SELECT 1 FROM obligations WHERE run = runs.id)";

export function prepareRetained(
  parts: StoreDeps,
  { restarted, saveClock }: { readonly restarted: boolean; readonly saveClock: () => void },
): RetainedRuns {
  const { db, batch } = parts;
  const totals = db.prepare('SELECT call, runs, bytes FROM totals WHERE runs > 0');
  const unmeasured = db.prepare(
    "SELECT id FROM runs INDEXED BY runs_unmeasured WHERE state = 'ended' AND disk IS NULL LIMIT ?",
  );
  const setDisk = db.prepare('UPDATE runs SET disk = ? WHERE id = ?');
  const remove = db.prepare(
    `DELETE FROM runs WHERE id IN (SELECT value FROM json_each(?)) AND ${removable} RETURNING id`,
  );
  const trimTimes = db.prepare(
    `DELETE FROM run_times WHERE block < (SELECT min(number) >> ${timeBlockBits} FROM runs)`,
  );
  return {
    totals: () => afterWrites(batch, () => totals.all() as CallTotals[]),
    oldest: prepareOldest(parts),
    unmeasured: (limit) => afterWrites(batch, () => (unmeasured.all(limit) as { id: string }[]).map(({ id }) => id)),
    setDiskBytes: (id, bytes) => void batch.addNow(() => setDisk.run(bytes, id)),
    deleteRuns(ids) {
      const deleted = batch.addNow(() => remove.all(JSON.stringify(ids)) as { id: string }[]);
      if (deleted.length > 0) batch.add(() => void trimTimes.run());
      return deleted.map(({ id }) => id);
    },
    saveAgeClock: saveClock,
    machineRestarted: restarted,
  };
}

function prepareOldest({ db, batch, clock }: StoreDeps): RetainedRuns['oldest'] {
  const prepare = (condition: string) =>
    db.prepare(
      `SELECT id, ? - ended_on AS ageMs, coalesce(disk, 0) AS bytes FROM runs
       WHERE ${removable} ${condition} ORDER BY ended_on LIMIT ?`,
    );
  const any = prepare('');
  const ofCall = prepare('AND call = ?');
  const anyWithFiles = prepare('AND disk > 0');
  const ofCallWithFiles = prepare('AND disk > 0 AND call = ?');
  return ({ call, withFiles = false, limit }) =>
    afterWrites(batch, () => {
      const now = clock.elapsedMs;
      if (call === undefined) return (withFiles ? anyWithFiles : any).all(now, limit) as RemovableRun[];
      return (withFiles ? ofCallWithFiles : ofCall).all(now, call, limit) as RemovableRun[];
    });
}
