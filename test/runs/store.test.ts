import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'libsql';
import type { RunRecord } from '../../protocol/record.ts';
import type { RunFacts } from '../../server/runs/facts.ts';
import { openStore } from '../../server/runs/store.ts';
import { inFolder, programOf } from './kit.ts';

const record = (id: string, more: Partial<RunRecord> = {}): RunRecord => ({
  id, call: 'greet', params: ['a "b" \n €'], caller: '', node: 'n', state: 'queued', queuedAt: '2026-01-01T00:00:00.000Z', lines: 0, bytes: 0, ...more,
});

const someFacts: RunFacts = {
  kind: 'process', params: { who: 'ada' }, caller: { user: 'ada', token: true, scopes: ['a'] }, stop: { signal: 'SIGTERM', graceMs: 5 },
  onDisconnect: { type: 'grace', graceMs: 7 }, mayDetach: true, stallAfterMs: 0, lineBytesMax: 100, outputBytesMax: 0,
};

/** What is in the write-ahead log beyond the schema. */
function walBytes(folder: string): number {
  return statSync(join(folder, 'runs.db-wal')).size - schemaBytes;
}
let schemaBytes = 0;

describe('the store', () => {
  before(() => inFolder(async (folder) => {
    const store = openStore(folder);
    schemaBytes = statSync(join(folder, 'runs.db-wal')).size;
    store.close();
  }));

  it('keeps records as they are, also after it was closed', () => inFolder(async (folder) => {
    const ended = record('one', {
      state: 'ended', outcome: 'failed', message: 'exited with code 3', exitCode: 3, lines: 2 ** 40, cleanup: { clean: true, released: [], left: [] },
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

  it('keeps what was decided about a run beside its record, and other decisions in place of it', () => inFolder(async (folder) => {
    const decided: RunFacts = {
      kind: 'process', params: { who: 'ada' }, caller: { user: 'ada', token: true, scopes: ['a'] }, stop: { signal: 'SIGTERM', graceMs: 5 },
      onDisconnect: { type: 'grace', graceMs: 7 }, mayDetach: true, stallAfterMs: 0, lineBytesMax: 100, outputBytesMax: 0,
    };
    const first = openStore(folder);
    first.insert(record('one'), decided);
    first.insert(record('two'));
    first.keep('one', { ...decided, onDisconnect: { type: 'detach' } });
    first.update(record('one', { state: 'running' }));
    first.close();
    const second = openStore(folder);
    expect(second.facts('one')).to.deep.equal({ ...decided, onDisconnect: { type: 'detach' } });
    expect(second.facts('two')).to.equal(undefined);
    expect(second.facts('three')).to.equal(undefined);
    second.close();
  }));

  it('opens the folder of an earlier version, whose runs have no such decisions', () => inFolder(async (folder) => {
    const old = new Database(join(folder, 'runs.db'));
    old.exec("CREATE TABLE runs (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, record TEXT NOT NULL)");
    old.prepare('INSERT INTO runs (id, state, record) VALUES (?, ?, ?)').run('old', 'queued', JSON.stringify(record('old')));
    old.close();
    for (const id of ['first', 'second']) {
      const store = openStore(folder);
      expect(store.get('old')).to.deep.equal(record('old'));
      expect(store.facts('old')).to.equal(undefined);
      store.insert(record(id));
      store.close();
    }
  }));

  it('takes an id once', () => inFolder(async (folder) => {
    const store = openStore(folder);
    store.insert(record('one'));
    expect(() => store.insert(record('one'))).to.throw();
    store.close();
  }));

  it('admits runs that come together in one go: found at once, on the disk when that is told', () => inFolder(async (folder) => {
    const store = openStore(folder);
    const admitted = ['one', 'two', 'three'].map((id) => store.admit(record(id), someFacts));
    expect(walBytes(folder)).to.equal(0);
    expect(store.get('two')).to.deep.equal(record('two'));
    expect(walBytes(folder)).to.be.greaterThan(0);
    await Promise.all(admitted);
    store.close();
    const again = openStore(folder);
    expect(again.list({ limit: 5 }).map(({ id }) => id)).to.deep.equal(['three', 'two', 'one']);
    expect(again.facts('two')).to.deep.equal(someFacts);
    again.close();
  }));

  it('stores what was admitted before anything else that is written in the same turn', () => inFolder(async (folder) => {
    const store = openStore(folder);
    const admitted = store.admit(record('one'), someFacts);
    store.update(record('one', { state: 'running' }));
    expect(walBytes(folder)).to.be.greaterThan(0);
    await admitted;
    const late = store.admit(record('two'), someFacts);
    store.close();
    await late;
    const again = openStore(folder);
    expect(again.list({ limit: 5 }).map(({ id, state }) => `${id} ${state}`)).to.deep.equal(['two queued', 'one running']);
    again.close();
  }));

  it('admits the others when one of them has an id that is taken', () => inFolder(async (folder) => {
    const store = openStore(folder);
    const [first, second, third] = await Promise.allSettled(['one', 'one', 'two'].map((id) => store.admit(record(id), someFacts)));
    expect([first?.status, second?.status, third?.status]).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
    expect(store.list({ limit: 5 }).map(({ id }) => id)).to.deep.equal(['two', 'one']);
    store.close();
  }));

  it('knows none of those it was to admit when the disk is full, and admits others when there is room', () => inFolder(async (folder) => {
    const told = await programOf('full-store', folder, ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs -o size=256k none "$0" && exec "$@"', folder]) as
      { refused: readonly string[]; known: number; later: string };
    expect(told.refused).to.have.lengthOf.above(0);
    for (const code of told.refused) expect(code).to.equal('SQLITE_FULL');
    expect(told.known).to.equal(0);
    expect(told.later).to.equal('later');
  }));

  it('refuses to update what it does not know', () => inFolder(async (folder) => {
    const store = openStore(folder);
    expect(() => store.update(record('nobody'))).to.throw('there is no such run in the store');
    store.close();
  }));

  it('lists runs newest first, page by page, and none behind a run it does not know', () => inFolder(async (folder) => {
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

  it('lists the runs in one state, page by page', () => inFolder(async (folder) => {
    const store = openStore(folder);
    for (let i = 0; i < 6; i++) store.insert(record(`run-${i}`, { state: i % 2 === 0 ? 'ended' : 'running' }));
    expect(store.list({ limit: 2, state: 'ended' }).map(({ id }) => id)).to.deep.equal(['run-4', 'run-2']);
    expect(store.list({ limit: 2, state: 'ended', before: 'run-2' }).map(({ id }) => id)).to.deep.equal(['run-0']);
    expect(store.list({ limit: 2, state: 'queued' })).to.deep.equal([]);
    store.close();
  }));

  it('knows which runs have not ended, and counts by state', () => inFolder(async (folder) => {
    const store = openStore(folder);
    for (const state of ['queued', 'running', 'cancelling', 'ended'] as const) store.insert(record(state, { state }));
    expect(store.unended().map(({ id }) => id)).to.deep.equal(['queued', 'running', 'cancelling']);
    expect(store.countByState()).to.deep.equal({ queued: 1, running: 1, cancelling: 1, ended: 1 });
    store.close();
  }));

  it('forgets a run that has ended and owes nothing, and no other', () => inFolder(async (folder) => {
    const store = openStore(folder);
    store.insert(record('running', { state: 'running' }));
    for (const id of ['one', 'owing']) store.insert(record(id, { state: 'ended' }));
    store.journal({ run: 'owing', kind: 'process', id: 'a', facts: {} });
    expect(['running', 'one', 'owing', 'one', 'nobody'].map((id) => store.forget(id))).to.deep.equal([false, true, false, false, false]);
    expect(store.list({ limit: 9 }).map(({ id }) => id)).to.deep.equal(['owing', 'running']);
    store.strike({ run: 'owing', id: 'a' });
    expect(store.forget('owing')).to.equal(true);
    store.close();
  }));

  it('gives open obligations last in first out, with what has become known of them', () => inFolder(async (folder) => {
    const store = openStore(folder);
    for (const id of ['a', 'b', 'c']) store.journal({ run: 'one', kind: 'process', id, facts: {} });
    store.journal({ run: 'two', kind: 'container', id: 'a', facts: {} });
    store.journal({ run: 'one', kind: 'process', id: 'a', facts: { pid: 5 } });
    store.strike({ run: 'one', id: 'b' });
    store.strike({ run: 'one', id: 'never there' });
    expect(store.open('one')).to.deep.equal([
      { run: 'one', kind: 'process', id: 'c', facts: {} }, { run: 'one', kind: 'process', id: 'a', facts: { pid: 5 } },
    ]);
    expect([...store.owing()].sort()).to.deep.equal(['one', 'two']);
    store.strike({ run: 'two', id: 'a' });
    expect(store.owing()).to.deep.equal(['one']);
    store.close();
  }));

  it('refuses a second gateway on the same folder, and says the way out', () => inFolder(async (folder) => {
    const store = openStore(folder);
    expect(() => openStore(folder)).to.throw(/in use by another gateway.*"data:"/);
    store.insert(record('one'));
    store.close();
    openStore(folder).close();
  }));

  it('refuses a second gateway that is another process, until that is killed; nothing is lost then', () => inFolder(async (folder) => {
    const holder = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('programs/hold-store.ts', import.meta.url)), folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    expect(() => openStore(folder)).to.throw(/in use by another gateway/);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const store = openStore(folder);
    expect(store.unended().map(({ id }) => id)).to.deep.equal(['held']);
    expect(store.open('held')).to.have.length(1);
    store.close();
  }));
});
