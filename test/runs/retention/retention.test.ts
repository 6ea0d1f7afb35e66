// Tests retention with a real store and real folders.

import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { defaultLimits } from '../../../protocol/limits.ts';
import type { RunRecord } from '../../../protocol/run-record.ts';
import { RunLog } from '../../../server/runs/log/log.ts';
import { type ActiveRun, Retention, type RetentionDeps } from '../../../server/runs/retention/retention.ts';
import { trashFolder } from '../../../server/runs/retention/run-files.ts';
import { openStore, type RunStore } from '../../../server/runs/store/store.ts';
import { nullLogger } from '../../../server/support/logger.ts';
import { startTestGateway } from '../../helpers/gateway/test-gateway.ts';
import { throwError, withTempFolder } from '../../helpers/runs/test-log.ts';
import { waitUntil } from '../../helpers/wait-until.ts';
import { connectWsClient } from '../../helpers/websocket/ws-client.ts';

const none = { ageMs: Infinity, runs: Infinity, bytes: Infinity };

interface RetentionFixture {
  readonly store: RunStore;
  readonly folder: string;
  readonly activeRuns: ActiveRun[];
  rules: Partial<typeof none>;
  /** Advances the age clock. */
  advance(ms: number): void;
  readonly retention: Retention;
  /** Adds a run with `bytes` of output. Unless `state` says otherwise, the run has just ended. */
  addRun(id: string, more?: { readonly bytes?: number; readonly state?: RunRecord['state'] }): Promise<void>;
  ids(): readonly string[];
  folders(): readonly string[];
}

async function withRetention(
  work: (fixture: RetentionFixture) => Promise<void>,
  deps: (store: RunStore) => Partial<RetentionDeps> = () => ({}),
): Promise<void> {
  await withTempFolder(async (folder) => {
    const runs = join(folder, 'runs');
    mkdirSync(runs);
    let machine = { boot: 'first', ms: 0 };
    const store = openStore(folder, { machine: () => machine });
    const fixture: RetentionFixture = {
      store,
      folder: runs,
      activeRuns: [],
      rules: {},
      advance: (ms) => {
        machine = { ...machine, ms: machine.ms + ms };
      },
      retention: new Retention({
        store,
        folder: runs,
        activeRuns: () => fixture.activeRuns,
        intervalMs: () => 60_000,
        rules: () => ({ overall: { ...none, ...fixture.rules }, forCall: () => undefined }),
        log: nullLogger,
        ...deps(store),
      }),
      async addRun(id, { bytes = 10, state = 'ended' } = {}) {
        store.insert(createRecord(id, state));
        await storeLog(join(runs, id), bytes);
      },
      ids: () =>
        store
          .list({ limit: 1000 })
          .map(({ id }) => id)
          .reverse(),
      folders: () =>
        readdirSync(runs)
          .filter((name) => name !== trashFolder)
          .sort(),
    };
    try {
      await work(fixture);
    } finally {
      await fixture.retention.stop();
      store.close();
    }
  });
}

function createRecord(id: string, state: RunRecord['state'] = 'ended'): RunRecord {
  const at = '2026-01-01T00:00:00.000Z';
  return {
    id,
    call: 'a',
    params: [],
    caller: '',
    node: 'n',
    state,
    queuedAt: at,
    lines: 1,
    bytes: 10,
    ...(state === 'ended' && { outcome: 'succeeded', endedAt: at }),
  };
}

async function storeLog(folder: string, bytes: number): Promise<void> {
  const log = RunLog.create(folder, { format: 'lines', limits: defaultLimits, onFailure: throwError });
  log.write('stdout', Buffer.from(`${'x'.repeat(bytes - 1)}\n`));
  await log.close();
}

/** Starts retention and resolves when its first sweep is complete. */
async function startAndSweep({ retention }: RetentionFixture): Promise<void> {
  retention.start();
  await retention.sweep();
}

describe('retention', () => {
  it('retention removes the records and logs of old runs and of no others', () =>
    withRetention(async (fixture) => {
      await fixture.addRun('older');
      fixture.advance(4_000);
      await fixture.addRun('running', { state: 'running' });
      await fixture.addRun('old');
      fixture.advance(5_000);
      await fixture.addRun('young');
      fixture.rules = { ageMs: 2_000 };
      await startAndSweep(fixture);
      expect(fixture.ids()).to.deep.equal(['running', 'young']);
      expect(fixture.folders()).to.deep.equal(['running', 'young']);
      expect(readdirSync(join(fixture.folder, trashFolder))).to.deep.equal([]);
    }));

  it('retention keeps runs with open obligations until the obligations are released', () =>
    withRetention(async (fixture) => {
      await fixture.addRun('one');
      fixture.store.saveObligation({ run: 'one', kind: 'process', id: 'a', facts: {} });
      fixture.rules = { runs: 0 };
      await startAndSweep(fixture);
      expect(fixture.folders()).to.deep.equal(['one']);
      fixture.store.deleteObligation({ run: 'one', id: 'a' });
      await fixture.retention.sweep();
      expect([fixture.ids(), fixture.folders()]).to.deep.equal([[], []]);
    }));

  it('retention counts the stored output and removes the oldest runs if the sum exceeds the limit', () =>
    withRetention(async (fixture) => {
      for (const id of ['a', 'b', 'c']) {
        await fixture.addRun(id, { bytes: 100_000 });
        fixture.advance(1);
      }
      fixture.rules = { bytes: 250_000 };
      await startAndSweep(fixture);
      expect(fixture.folders()).to.deep.equal(['b', 'c']);
      fixture.rules = { bytes: 250_000 };
      await fixture.retention.sweep();
      expect(fixture.folders()).to.deep.equal(['b', 'c']);
    }));

  it('retention counts artifacts and removes them with the run, even if it has no output', () =>
    withRetention(async (fixture) => {
      const make = (id: string): void => {
        mkdirSync(join(fixture.folder, id, 'artifacts', 'build', 'deep'), { recursive: true });
        writeFileSync(join(fixture.folder, id, 'artifacts', 'build', 'deep', 'app'), Buffer.alloc(100_000));
      };
      fixture.store.insert(createRecord('silent'));
      make('silent');
      fixture.advance(4_000);
      await fixture.addRun('loud');
      fixture.advance(5_000);
      make('loud');
      await fixture.addRun('plain');
      fixture.rules = { bytes: 250_000 };
      await startAndSweep(fixture);
      expect(fixture.folders()).to.deep.equal(['loud', 'plain', 'silent']);
      fixture.rules = { bytes: 150_000 };
      await fixture.retention.sweep();
      expect([fixture.ids(), fixture.folders()]).to.deep.equal([
        ['loud', 'plain'],
        ['loud', 'plain'],
      ]);
      fixture.rules = { runs: 1 };
      await fixture.retention.sweep();
      expect([fixture.ids(), fixture.folders()]).to.deep.equal([['plain'], ['plain']]);
    }));

  it('retention removes the oldest segments of an active run, which continues', () =>
    withRetention(async (fixture) => {
      const log = RunLog.create(join(fixture.folder, 'active'), {
        format: 'lines',
        limits: { ...defaultLimits, segmentBytesMax: 64 << 10 },
        onFailure: throwError,
      });
      fixture.activeRuns.push({ id: 'active', record: { call: 'a' }, log });
      fixture.store.insert(createRecord('active', 'running'));
      for (let at = 0; at < 40; at++) {
        log.write('stdout', Buffer.from(`${'x'.repeat(9_999)}\n`));
        await waitUntil('the output is written', () => log.written.byte === log.position.byte);
      }
      const before = await log.segments();
      expect(before.length).to.be.greaterThan(3);
      fixture.rules = { bytes: 150_000, runs: 0, ageMs: 0 };
      await startAndSweep(fixture);
      const after = await log.segments();
      expect(after.length).to.be.within(1, 3);
      expect(after.at(-1)).to.deep.equal(before.at(-1));
      expect(fixture.ids()).to.deep.equal(['active']);
      await log.close();
    }));

  it('retention counts the output of a run once, even if the run ends during the sweep', () =>
    withRetention(async (fixture) => {
      const log = RunLog.create(join(fixture.folder, 'a'), {
        format: 'lines',
        limits: { ...defaultLimits, segmentBytesMax: 64 << 10 },
        onFailure: throwError,
      });
      for (let at = 0; at < 40; at++) {
        log.write('stdout', Buffer.from(`${'x'.repeat(9_999)}\n`));
        await waitUntil('the output is written', () => log.written.byte === log.position.byte);
      }
      await log.close();
      // The run is still in the list of active runs, although its end is stored.
      fixture.store.insert(createRecord('a'));
      fixture.activeRuns.push({ id: 'a', record: { call: 'a' }, log });
      fixture.rules = { bytes: 150_000 };
      await startAndSweep(fixture);
      expect(fixture.ids()).to.deep.equal(['a']);
      expect((await log.segments()).reduce((sum, { bytes }) => sum + bytes, 0)).to.be.within(1, 150_000);
    }));

  it('retention completes removals of a killed gateway, and removes logs whose record a power failure has lost', () =>
    withRetention(
      async (fixture) => {
        await fixture.addRun('kept');
        await fixture.addRun('removed');
        fixture.store.deleteRuns(['removed']);
        mkdirSync(join(fixture.folder, trashFolder, '17'), { recursive: true });
        writeFileSync(join(fixture.folder, trashFolder, '17', 'lines'), 'x');
        await startAndSweep(fixture);
        expect(fixture.folders()).to.deep.equal(['kept']);
        expect(readdirSync(join(fixture.folder, trashFolder))).to.deep.equal([]);
      },
      (store) => ({ store: { ...store, machineRestarted: true } }),
    ));

  it('retention sweeps on its own after runs have ended', () =>
    withRetention(async (fixture) => {
      fixture.rules = { runs: 1 };
      await startAndSweep(fixture);
      for (const id of ['a', 'b', 'c']) {
        await fixture.addRun(id);
        fixture.retention.requestSweep();
      }
      await waitUntil('two runs are removed', () => fixture.ids().length === 1);
      await waitUntil('and their logs are removed', () => fixture.folders().join() === 'c');
    }));

  it('retention sweeps regularly even if no run ends', () =>
    withRetention(
      async (fixture) => {
        await fixture.addRun('old');
        await startAndSweep(fixture);
        fixture.advance(5_000);
        fixture.rules = { ageMs: 1_000 };
        await waitUntil('the run is removed', () => fixture.ids().length === 0);
      },
      () => ({ intervalMs: () => 20 }),
    ));

  it('retention frees the id of a run immediately for a new run', () =>
    withRetention(async (fixture) => {
      await startAndSweep(fixture);
      for (let again = 0; again < 3; again++) {
        await fixture.addRun('same');
        fixture.retention.requestSweep();
        fixture.rules = { runs: 0 };
        const swept = fixture.retention.sweep();
        await waitUntil('the run is removed', () => fixture.store.get('same') === undefined);
        expect(existsSync(join(fixture.folder, 'same'))).to.equal(false);
        await swept;
      }
    }));

  it('retention removes nothing after it was stopped', () =>
    withRetention(async (fixture) => {
      await fixture.addRun('one');
      await startAndSweep(fixture);
      await fixture.retention.stop();
      fixture.rules = { runs: 0 };
      await fixture.retention.sweep();
      expect(fixture.folders()).to.deep.equal(['one']);
    }));

  it('retention removes 997 of 1,000 runs in one sweep', () =>
    withRetention(async (fixture) => {
      for (let at = 0; at < 1_000; at++) fixture.store.insert(createRecord(`run-${at}`));
      fixture.rules = { runs: 3 };
      await startAndSweep(fixture);
      expect(fixture.ids()).to.deep.equal(['run-997', 'run-998', 'run-999']);
    }));
});

describe('a gateway with retention limits', () => {
  it('a gateway removes old runs of each call by the rule of the call', async () => {
    const gateway = await startTestGateway(
      [
        'retention: { runs: 4 }\ncalls:\n  a: { process: [echo, a], retention: { runs: 1 } }\n',
        '  b: { process: [echo, b] }\n',
      ].join(''),
    );
    try {
      for (const call of ['a', 'b', 'a', 'b', 'b', 'b', 'a']) {
        const client = await connectWsClient(gateway.wsUrl);
        client.sendControl({ call });
        await client.readToEnd();
      }
      const calls = async (): Promise<string> =>
        ((await gateway.getJson('/api/v1/http/runs')) as { runs: readonly RunRecord[] }).runs
          .map(({ call }) => call)
          .join('');
      await waitUntil('the other runs are removed', async () => (await calls()) === 'abbb');
      await waitUntil(
        'their logs are removed',
        () => readdirSync(gateway.runsFolder).filter((name) => name !== trashFolder).length === 4,
      );
    } finally {
      await gateway.stop();
    }
  });
});
