// Inserts all new runs of one event-loop turn by one statement, because calling SQLite costs more than writing a row.

import type { RunRecord } from '../../../protocol/run-record.ts';
import type { RunSpec } from '../run-spec.ts';
import type { StoreDeps } from './store-deps.ts';

interface NewRun {
  readonly row: readonly [id: string, state: string, record: string, facts: string];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Resolves when the run is stored. Rejects if the disk rejects it or the id exists; then it is not stored. */
export function prepareInsertRows({ db, batch }: StoreDeps): (record: RunRecord, spec: RunSpec) => Promise<void> {
  const insert = db.prepare('INSERT INTO runs (id, state, record, facts) VALUES (?, ?, ?, ?)');
  const insertAll = db.prepare(
    `INSERT INTO runs (id, state, record, facts)
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)`,
  );
  let pending: NewRun[] = [];
  const insertAlone = ({ row, resolve, reject }: NewRun): void => {
    try {
      batch.addNow(() => insert.run(...row));
      resolve();
    } catch (error) {
      reject(error);
    }
  };
  const onSettled = (error: unknown): void => {
    const runs = pending;
    pending = [];
    if (error === undefined) for (const { resolve } of runs) resolve();
    // One by one, so that a faulty row does not affect the others.
    else for (const run of runs) insertAlone(run);
  };
  return (record, spec) =>
    new Promise((resolve, reject) => {
      if (pending.length === 0)
        batch.add(() => void insertAll.run(JSON.stringify(pending.map(({ row }) => row))), onSettled);
      pending.push({ row: [record.id, record.state, JSON.stringify(record), JSON.stringify(spec)], resolve, reject });
    });
}
