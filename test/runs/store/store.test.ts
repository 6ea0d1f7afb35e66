// Tests the SQLite store: records, settings, batches, obligations, and its lock.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import Database from 'libsql';
import type { RunRecord } from '../../../protocol/run-record.ts';
import type { RunSpec } from '../../../server/runs/run-spec.ts';
import { openStore } from '../../../server/runs/store/store.ts';
import { withTempFolder } from '../../helpers/runs/test-log.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const record = (id: string, more: Partial<RunRecord> = {}): RunRecord => ({
  id,
  call: 'greet',
  params: ['a "b" \n €'],
  caller: '',
  node: 'n',
  state: 'queued',
  queuedAt: '2026-01-01T00:00:00.000Z',
  lines: 0,
  bytes: 0,
  ...more,
});

const someSpec: RunSpec = {
  kind: 'process',
  params: { who: 'ada' },
  caller: { user: 'ada', token: true, scopes: ['a'] },
  stop: { signal: 'SIGTERM', graceMs: 5 },
  onDisconnect: { type: 'grace', graceMs: 7 },
  mayDetach: true,
  stallAfterMs: 0,
  lineBytesMax: 100,
  outputBytesMax: 0,
};

/** Returns the size of the write-ahead log without the part that creates the schema. */
function walBytes(folder: string): number {
  return statSync(join(folder, 'runs.db-wal')).size - schemaBytes;
}
let schemaBytes = 0;

describe('the store', () => {
  before(() =>
    withTempFolder(async (folder) => {
      const store = openStore(folder);
      schemaBytes = statSync(join(folder, 'runs.db-wal')).size;
      store.close();
    }),
  );

  it('the store keeps records unchanged after it was closed and opened', () =>
    withTempFolder(async (folder) => {
      const ended = record('one', {
        state: 'ended',
        outcome: 'failed',
        message: 'exited with code 3',
        exitCode: 3,
        lines: 2 ** 40,
        cleanup: { clean: true, released: [], left: [] },
      });
      const first = openStore(folder);
      first.insert(record('one'));
      first.update(ended);
      first.close();
      const second = openStore(folder);
      expect(second.get('one')).to.deep.equal(ended);
      expect(second.get('two')).to.equal(undefined);
      second.close();
    }));

  it('the store keeps the settings of a run with its record and can replace them', () =>
    withTempFolder(async (folder) => {
      const spec: RunSpec = {
        kind: 'process',
        params: { who: 'ada' },
        caller: { user: 'ada', token: true, scopes: ['a'] },
        stop: { signal: 'SIGTERM', graceMs: 5 },
        onDisconnect: { type: 'grace', graceMs: 7 },
        mayDetach: true,
        stallAfterMs: 0,
        lineBytesMax: 100,
        outputBytesMax: 0,
      };
      const first = openStore(folder);
      first.insert(record('one'), spec);
      first.insert(record('two'));
      first.updateSpec('one', { ...spec, onDisconnect: { type: 'detach' } });
      first.update(record('one', { state: 'running' }));
      first.close();
      const second = openStore(folder);
      expect(second.getSpec('one')).to.deep.equal({ ...spec, onDisconnect: { type: 'detach' } });
      expect(second.getSpec('two')).to.equal(undefined);
      expect(second.getSpec('three')).to.equal(undefined);
      second.close();
    }));

  it('the store opens the folder of an earlier version, whose runs have no settings', () =>
    withTempFolder(async (folder) => {
      const old = new Database(join(folder, 'runs.db'));
      old.exec(
        [
          'CREATE TABLE runs (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, ',
          'state TEXT NOT NULL, record TEXT NOT NULL)',
        ].join(''),
      );
      old
        .prepare('INSERT INTO runs (id, state, record) VALUES (?, ?, ?)')
        .run('old', 'queued', JSON.stringify(record('old')));
      old.close();
      for (const id of ['first', 'second']) {
        const store = openStore(folder);
        expect(store.get('old')).to.deep.equal(record('old'));
        expect(store.getSpec('old')).to.equal(undefined);
        store.insert(record(id));
        store.close();
      }
    }));

  it('the store rejects a second record with the same id', () =>
    withTempFolder(async (folder) => {
      const store = openStore(folder);
      store.insert(record('one'));
      expect(() => store.insert(record('one'))).to.throw();
      store.close();
    }));

  it('the store inserts concurrent runs in one batch, and reads see them immediately', () =>
    withTempFolder(async (folder) => {
      const store = openStore(folder);
      const inserted = ['one', 'two', 'three'].map((id) => store.insertBatched(record(id), someSpec));
      expect(walBytes(folder)).to.equal(0);
      expect(store.get('two')).to.deep.equal(record('two'));
      expect(walBytes(folder)).to.be.greaterThan(0);
      await Promise.all(inserted);
      store.close();
      const again = openStore(folder);
      expect(again.list({ limit: 5 }).map(({ id }) => id)).to.deep.equal(['three', 'two', 'one']);
      expect(again.getSpec('two')).to.deep.equal(someSpec);
      again.close();
    }));

  it('the store writes a batch before any other access in the same turn', () =>
    withTempFolder(async (folder) => {
      const store = openStore(folder);
      const inserted = store.insertBatched(record('one'), someSpec);
      store.update(record('one', { state: 'running' }));
      expect(walBytes(folder)).to.be.greaterThan(0);
      await inserted;
      const late = store.insertBatched(record('two'), someSpec);
      store.close();
      await late;
      const again = openStore(folder);
      expect(again.list({ limit: 5 }).map(({ id, state }) => `${id} ${state}`)).to.deep.equal([
        'two queued',
        'one running',
      ]);
      again.close();
    }));

  it('the store inserts the other rows of a batch if one row has an existing id', () =>
    withTempFolder(async (folder) => {
      const store = openStore(folder);
      const [first, second, third] = await Promise.allSettled(
        ['one', 'one', 'two'].map((id) => store.insertBatched(record(id), someSpec)),
      );
      expect([first?.status, second?.status, third?.status]).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
      expect(store.list({ limit: 5 }).map(({ id }) => id)).to.deep.equal(['two', 'one']);
      store.close();
    }));

  it('the store rejects updates of unknown runs', () =>
    withTempFolder(async (folder) => {
      const store = openStore(folder);
      expect(() => store.update(record('missing'))).to.throw('no such run in the store');
      store.close();
    }));

  it('the store lists runs newest first, page by page, and none if it does not know the run of `before`', () =>
    withTempFolder(async (folder) => {
      const store = openStore(folder);
      for (let i = 0; i < 5; i++) store.insert(record(`run-${i}`));
      const ids = (page: { limit: number; before?: string }) => store.list(page).map(({ id }) => id);
      expect(ids({ limit: 2 })).to.deep.equal(['run-4', 'run-3']);
      expect(ids({ limit: 2, before: 'run-3' })).to.deep.equal(['run-2', 'run-1']);
      expect(ids({ limit: 9, before: 'run-1' })).to.deep.equal(['run-0']);
      expect(ids({ limit: 9, before: 'run-0' })).to.deep.equal([]);
      expect(ids({ limit: 9, before: 'no such run' })).to.deep.equal([]);
      store.close();
    }));

  it('the store lists the runs of one state, page by page', () =>
    withTempFolder(async (folder) => {
      const store = openStore(folder);
      for (let i = 0; i < 6; i++) store.insert(record(`run-${i}`, { state: i % 2 === 0 ? 'ended' : 'running' }));
      expect(store.list({ limit: 2, state: 'ended' }).map(({ id }) => id)).to.deep.equal(['run-4', 'run-2']);
      expect(store.list({ limit: 2, state: 'ended', before: 'run-2' }).map(({ id }) => id)).to.deep.equal(['run-0']);
      expect(store.list({ limit: 2, state: 'queued' })).to.deep.equal([]);
      store.close();
    }));

  it('the store lists unfinished runs and counts runs by state', () =>
    withTempFolder(async (folder) => {
      const store = openStore(folder);
      for (const state of ['queued', 'running', 'cancelling', 'ended'] as const) store.insert(record(state, { state }));
      expect(store.listUnfinished().map(({ id }) => id)).to.deep.equal(['queued', 'running', 'cancelling']);
      expect(store.countByState()).to.deep.equal({ queued: 1, running: 1, cancelling: 1, ended: 1 });
      store.close();
    }));

  it('the store deletes an ended run without obligations and no other run', () =>
    withTempFolder(async (folder) => {
      const store = openStore(folder);
      store.insert(record('running', { state: 'running' }));
      for (const id of ['one', 'owing']) store.insert(record(id, { state: 'ended' }));
      store.saveObligation({ run: 'owing', kind: 'process', id: 'a', facts: {} });
      expect(
        ['running', 'one', 'owing', 'one', 'missing'].map((id) => store.deleteRuns([id]).length > 0),
      ).to.deep.equal([false, true, false, false, false]);
      expect(store.list({ limit: 9 }).map(({ id }) => id)).to.deep.equal(['owing', 'running']);
      store.deleteObligation({ run: 'owing', id: 'a' });
      expect(store.deleteRuns(['owing'])).to.deep.equal(['owing']);
      store.close();
    }));

  it('the store returns open obligations last in first out, with their updates', () =>
    withTempFolder(async (folder) => {
      const store = openStore(folder);
      for (const id of ['a', 'b', 'c']) store.saveObligation({ run: 'one', kind: 'process', id, facts: {} });
      store.saveObligation({ run: 'two', kind: 'container', id: 'a', facts: {} });
      store.saveObligation({ run: 'one', kind: 'process', id: 'a', facts: { pid: 5 } });
      store.deleteObligation({ run: 'one', id: 'b' });
      store.deleteObligation({ run: 'one', id: 'never there' });
      expect(store.openObligations('one')).to.deep.equal([
        { run: 'one', kind: 'process', id: 'c', facts: {} },
        { run: 'one', kind: 'process', id: 'a', facts: { pid: 5 } },
      ]);
      expect([...store.runsWithObligations()].sort()).to.deep.equal(['one', 'two']);
      store.deleteObligation({ run: 'two', id: 'a' });
      expect(store.runsWithObligations()).to.deep.equal(['one']);
      store.close();
    }));

  it('the store writes a deferred update of an obligation by itself, with the next other write, or before a read', () =>
    withTempFolder(async (folder) => {
      const store = openStore(folder);
      const written: string[] = [];
      const update = (id: string): void =>
        store.updateObligation({ run: 'one', kind: 'process', id, facts: { pid: 5 } }, () => void written.push(id));
      update('alone');
      expect(written).to.deep.equal([]);
      await waitUntil('the update is written', () => written.length === 1);
      update('with others');
      store.saveObligation({ run: 'one', kind: 'process', id: 'another', facts: {} });
      expect(written).to.deep.equal(['alone', 'with others']);
      update('before a read');
      expect(store.openObligations('one').map(({ id }) => id)).to.deep.equal([
        'before a read',
        'another',
        'with others',
        'alone',
      ]);
      expect(written).to.deep.equal(['alone', 'with others', 'before a read']);
      update('before the end');
      store.close();
      expect(written).to.include('before the end');
    }));

  it('the store rejects a second gateway in the same folder, and the message names the remedy', () =>
    withTempFolder(async (folder) => {
      const store = openStore(folder);
      expect(() => openStore(folder)).to.throw(/in use by another gateway.*"data:"/);
      store.insert(record('one'));
      store.close();
      openStore(folder).close();
    }));

  it('the store is locked for other processes until its process is killed, and then nothing is lost', () =>
    withTempFolder(async (folder) => {
      const holder = spawn(
        process.execPath,
        [
          '--import',
          'tsx',
          fileURLToPath(new URL('../../helpers/runs/programs/hold-store.ts', import.meta.url)),
          folder,
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      await once(holder.stdout, 'data');
      expect(() => openStore(folder)).to.throw(/in use by another gateway/);
      holder.kill('SIGKILL');
      await once(holder, 'exit');
      const store = openStore(folder);
      expect(store.listUnfinished().map(({ id }) => id)).to.deep.equal(['held']);
      expect(store.openObligations('held')).to.have.length(1);
      store.close();
    }));
});
