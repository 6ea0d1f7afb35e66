// Tests the migration of stores that earlier versions of the gateway wrote.

import { join } from 'node:path';
import { expect } from 'chai';
import Database from 'libsql';
import type { RunRecord } from '../../../protocol/run-record.ts';
import { openStore } from '../../../server/runs/store/store.ts';
import { createOldStore } from '../../helpers/runs/old-store.ts';
import { withTempFolder } from '../../helpers/runs/test-log.ts';

const day = 86_400_000;
const epoch = Date.parse('2026-01-01T00:00:00.000Z');

const record = (id: string, endedDay: number | undefined, more: Partial<RunRecord> = {}): RunRecord => ({
  id,
  call: 'greet',
  params: ['a "b" \n €'],
  caller: 'ada',
  node: 'n',
  state: 'running',
  queuedAt: '2026-01-01T00:00:00.000Z',
  lines: 3,
  bytes: 30,
  ...(endedDay !== undefined && {
    state: 'ended',
    outcome: 'succeeded',
    endedAt: new Date(epoch + endedDay * day).toISOString(),
  }),
  ...more,
});

describe('the migration of the store', () => {
  it('a store of version 0 keeps its runs, settings and obligations, and its runs can be filtered', () =>
    withTempFolder(async (folder) => {
      const records = [
        record('one', 1),
        record('two', 2, { outcome: 'failed', caller: '' }),
        record('three', undefined),
      ];
      createOldStore(folder, records);
      for (let again = 0; again < 2; again++) {
        const store = openStore(folder);
        expect(store.list({ limit: 9 })).to.deep.equal([...records].reverse());
        expect(store.getSpec('one')).to.deep.equal({ kind: 'process' });
        expect(store.openObligations('three')).to.have.length(1);
        expect(store.listUnfinished().map(({ id }) => id)).to.deep.equal(['three']);
        expect(store.countByState()).to.deep.equal({ running: 1, ended: 2 });
        expect(store.list({ limit: 9, outcome: 'failed' }).map(({ id }) => id)).to.deep.equal(['two']);
        expect(store.list({ limit: 9, caller: 'ada', call: 'greet' }).map(({ id }) => id)).to.deep.equal([
          'three',
          'one',
        ]);
        expect([...store.unmeasured(9)].sort()).to.deep.equal(['one', 'two']);
        store.close();
      }
    }));

  it('P9: the ages of migrated runs count back from the end of the last one, whatever the wall clock shows', () =>
    withTempFolder(async (folder) => {
      createOldStore(folder, [record('old', 1), record('new', 11), record('active', undefined)]);
      const store = openStore(folder, { machine: () => ({ boot: 'a', ms: 5 }) });
      expect(store.oldest({ limit: 9 }).map(({ id, ageMs }) => [id, Math.round(ageMs / 1000)])).to.deep.equal([
        ['old', (10 * day) / 1000],
        ['new', 0],
      ]);
      store.close();
    }));

  it('a store of a later version is not opened, and the message says what to do', () =>
    withTempFolder(async (folder) => {
      openStore(folder).close();
      const db = new Database(join(folder, 'runs.db'));
      db.exec('PRAGMA user_version = 99');
      db.close();
      expect(() => openStore(folder)).to.throw(/later version of the gateway \(schema 99.*"data:"/);
    }));
});
