// Tests that the gateway repeatedly tries to release what ended runs have left, and completes their receipts.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Releaser } from '../../../calls/contract/ports.ts';
import { defaultLimits } from '../../../protocol/limits.ts';
import type { Released, RunRecord } from '../../../protocol/run-record.ts';
import { CleanupScope } from '../../../server/runs/cleanup.ts';
import { completeReceipt, Leftovers } from '../../../server/runs/restart/leftovers.ts';
import { deferred } from '../../../server/support/deferred.ts';
import { nullLogger } from '../../../server/support/logger.ts';
import { withTempFolder } from '../../helpers/runs/test-log.ts';
import { codeCall, openTestRuns, waitUntilStarted, withTestRuns } from '../../helpers/runs/test-runs.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const stayed = (id: string) => ({ kind: 'process', id, why: 'stayed' }) as const;

function endedRecord(id: string): RunRecord {
  return {
    id,
    call: 'c',
    params: [],
    caller: '',
    node: 'test',
    state: 'ended',
    outcome: 'failed',
    queuedAt: '2026-01-01T00:00:00.000Z',
    endedAt: '2026-01-01T00:00:01.000Z',
    lines: 0,
    bytes: 0,
    cleanup: { clean: false, released: [], left: [stayed('p')] },
  };
}

describe('what ended runs have left', () => {
  it('P6: a receipt is completed when the engine answers again', () => {
    let isBack = false;
    const container: Releaser = async () => (isBack ? { how: 'SIGTERM' } : { left: 'the engine does not answer' });
    const opens = codeCall('opens', async (_context) => ({ exitCode: 0 }));
    return withTestRuns([{ ...opens, body: async () => ({ exitCode: 0 }) }], async ({ runs, store, start }) => {
      const leftovers = new Leftovers({ store, releasers: { container }, limits: defaultLimits, log: nullLogger });
      const run = start('opens');
      await run.ended;
      await waitUntil('the record is stored', () => store.get(run.id)?.state === 'ended');
      store.saveObligation({ run: run.id, kind: 'container', id: 'c', facts: {} });
      const left = [{ kind: 'container', id: 'c', why: 'the engine does not answer' }] as const;
      store.update({ ...store.get(run.id)!, cleanup: { clean: false, released: [], left } });
      leftovers.add(runs.get(run.id)!, run.lateWork);
      isBack = true;
      await waitUntil('the receipt is complete', () => store.get(run.id)?.cleanup?.clean === true);
      const { cleanup } = store.get(run.id)!;
      expect(cleanup?.left).to.deep.equal([]);
      expect(cleanup?.released.map(({ kind, id, how }) => `${kind} ${id} ${how}`)).to.deep.equal([
        'container c SIGTERM',
      ]);
      expect(store.runsWithObligations()).to.deep.equal([]);
      await leftovers.close();
    });
  });

  it('the next gateway repeats failed releases; a receipt does not change if a release fails again', () =>
    withTempFolder(async (folder) => {
      const tried: string[] = [];
      const process: Releaser = async ({ run }) => {
        tried.push(run);
        if (run === 'stubborn') return { left: 'does not end' };
        if (run === 'broken') throw new Error('no');
        return { how: 'SIGKILL' };
      };
      const testRuns = openTestRuns(folder, []);
      const { store } = testRuns;
      for (const id of ['willing', 'stubborn', 'broken']) {
        store.insert(endedRecord(id));
        store.saveObligation({ run: id, kind: 'process', id: 'p', facts: {} });
      }
      const leftovers = new Leftovers({ store, releasers: { process }, limits: defaultLimits, log: nullLogger });
      leftovers.addStored();
      await waitUntil('each run was tried twice', () => tried.filter((run) => run === 'broken').length >= 2);
      await leftovers.close();
      expect(tried.filter((run) => run === 'willing')).to.have.length(1);
      expect([...store.runsWithObligations()].sort()).to.deep.equal(['broken', 'stubborn']);
      for (const id of ['stubborn', 'broken']) expect(store.get(id)).to.deep.equal(endedRecord(id));
      expect(store.get('willing')?.cleanup).to.deep.include({ clean: true, left: [] });
      await testRuns.close();
    }));

  it('P6: a repeated release waits for a creation that is still in progress', async () => {
    const creation = deferred<void>();
    const pending: Promise<unknown>[] = [];
    const process: Releaser = async (_entry, options) => {
      pending.push(options.pending);
      const state = await Promise.race([options.pending, nextTurn('in progress')]);
      return state === 'in progress' ? { left: 'creation may still be in progress' } : { how: 'removed' };
    };
    await withTempFolder(async (folder) => {
      const testRuns = openTestRuns(folder, []);
      const { store } = testRuns;
      const deps = { store, releasers: { process }, limits: defaultLimits, log: nullLogger };
      store.insert({ ...endedRecord('slow'), state: 'running' });
      const scope = new CleanupScope({
        run: 'slow',
        journal: store,
        releasers: { process },
        stop: { signal: 'SIGTERM', graceMs: 0 },
        forceStop: new AbortController(),
        releaseMs: 1_000,
        events: { emit: () => {} },
        onFault: () => {},
      });
      scope.openObligation('process', 'p').pendingUntil(creation.promise);
      store.update({ ...endedRecord('slow'), cleanup: await scope.release() });
      const leftovers = new Leftovers(deps);
      leftovers.add(store.get('slow')!, { abandonedBody: undefined, creationOf: (id) => scope.creationOf(id) });
      await waitUntil('the release was tried again', () => pending.length >= 2);
      expect(store.get('slow')?.cleanup?.clean).to.equal(false);
      creation.resolve();
      await waitUntil('the receipt is complete', () => store.get('slow')?.cleanup?.clean === true);
      expect(store.get('slow')?.cleanup?.released.map(({ how }) => how)).to.deep.equal(['removed']);
      await leftovers.close();
      await testRuns.close();
    });
  });

  it('P6: a receipt is completed when abandoned code returns', async () => {
    const body = deferred<void>();
    let leftovers: Leftovers | undefined;
    const late = codeCall('late', () => body.promise.then(() => ({ exitCode: 0 })));
    await withTestRuns(
      [late],
      async ({ runs, store, start }) => {
        leftovers = new Leftovers({ store, releasers: {}, limits: defaultLimits, log: nullLogger });
        const run = start('late');
        await waitUntilStarted(run);
        run.stop('cancelled');
        const { cleanup } = await run.ended;
        expect(cleanup).to.deep.include({ clean: false, released: [] });
        expect(cleanup?.left.map(({ kind, id }) => `${kind} ${id}`)).to.deep.equal(['deferred body']);
        body.resolve();
        await waitUntil('the receipt is complete', () => runs.get(run.id)?.cleanup?.clean === true);
        const completed = runs.get(run.id)?.cleanup;
        expect(completed?.left).to.deep.equal([]);
        expect(completed?.released.map(({ kind, id, how }) => `${kind} ${id} ${how}`)).to.deep.equal([
          'deferred body returned',
        ]);
        expect(store.get(run.id)).to.deep.include({ state: 'ended', outcome: 'cancelled', cleanup: completed });
        await leftovers.close();
      },
      { onStored: (record, lateWork) => leftovers?.add(record, lateWork) },
    );
  });

  it('P6: the receipt line of abandoned code is completed although the disk rejects the first write', async () => {
    const body = deferred<Released>();
    await withTempFolder(async (folder) => {
      const testRuns = openTestRuns(folder, []);
      const { store } = testRuns;
      const left = [{ kind: 'deferred', id: 'body', why: 'did not return' }] as const;
      store.insert({ ...endedRecord('late'), cleanup: { clean: false, released: [], left } });
      let rejected = 0;
      const update: typeof store.update = (record) => {
        if ((rejected += 1) === 1) throw new Error('the disk is full');
        store.update(record);
      };
      const leftovers = new Leftovers({
        store: { ...store, update },
        releasers: {},
        limits: defaultLimits,
        log: nullLogger,
      });
      leftovers.add(store.get('late')!, { abandonedBody: body.promise, creationOf: async () => {} });
      const line = { kind: 'deferred', id: 'body', how: 'returned', ms: 1 } as const;
      body.resolve(line);
      await waitUntil('the receipt is complete', () => store.get('late')?.cleanup?.clean === true);
      expect(store.get('late')?.cleanup?.released).to.deep.equal([line]);
      await leftovers.close();
      await testRuns.close();
    });
  });

  it('a completed receipt keeps what is still left', () => {
    const receipt = { clean: false, released: [], left: [stayed('a'), stayed('b')] };
    const now = { kind: 'process', id: 'a', how: 'SIGKILL', ms: 1 } as const;
    expect(completeReceipt(receipt, [now])).to.deep.equal({
      clean: false,
      released: [now],
      left: [stayed('b')],
    });
  });

  it('each release moves one line of the receipt from left to released', () => {
    const receipt = { clean: false, released: [], left: [stayed('a'), stayed('a')] };
    const now = { kind: 'process', id: 'a', how: 'SIGKILL', ms: 1 } as const;
    expect(completeReceipt(receipt, [now, { ...now, id: 'unknown' }])).to.deep.equal({
      clean: false,
      released: [now],
      left: [stayed('a')],
    });
  });
});
