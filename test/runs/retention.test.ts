// Old runs are really removed: records from a real store, logs from a real folder, and nothing else.

import { expect } from 'chai';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultLimits } from '../../protocol/limits.ts';
import type { RunRecord } from '../../protocol/record.ts';
import { RunLog } from '../../server/runs/log/log.ts';
import { Retention, trashName, type Growing, type RetentionParts } from '../../server/runs/retention.ts';
import { openStore, type RunStore } from '../../server/runs/store.ts';
import { silent } from '../../server/support/logger.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';
import { wsClient } from '../helpers/ws-client.ts';
import { failIfBroken, inFolder } from './kit.ts';

const none = { ageMs: Infinity, runs: Infinity, bytes: Infinity };

interface Attic {
  readonly store: RunStore;
  readonly folder: string;
  readonly growing: Growing[];
  rules: Partial<typeof none>;
  readonly retention: Retention;
  /** A run that ended so long ago, with as many bytes of output. */
  keep(id: string, more?: { readonly agoMs?: number; readonly bytes?: number; readonly state?: RunRecord['state'] }): Promise<void>;
  ids(): readonly string[];
  folders(): readonly string[];
}

async function inAttic(work: (attic: Attic) => Promise<void>, parts: Partial<RetentionParts> = {}): Promise<void> {
  await inFolder(async (folder) => {
    const runs = join(folder, 'runs');
    mkdirSync(runs);
    const store = openStore(folder);
    const attic: Attic = {
      store, folder: runs, growing: [], rules: {},
      retention: new Retention({
        store, folder: runs, growing: () => attic.growing, sweepMs: () => 60_000, rules: () => ({ overall: { ...none, ...attic.rules }, of: () => undefined }), log: silent, ...parts,
      }),
      async keep(id, { agoMs = 0, bytes = 10, state = 'ended' } = {}) {
        store.insert(recordOf(id, state, Date.now() - agoMs));
        await storeLog(join(runs, id), bytes);
      },
      ids: () => store.list({ limit: 1000 }).map(({ id }) => id).reverse(),
      folders: () => readdirSync(runs).filter((name) => name !== trashName).sort(),
    };
    try {
      await work(attic);
    } finally {
      await attic.retention.stop();
      store.close();
    }
  });
}

function recordOf(id: string, state: RunRecord['state'], endedMs: number): RunRecord {
  const at = new Date(endedMs).toISOString();
  return { id, call: 'a', params: [], caller: '', node: 'n', state, queuedAt: at, lines: 1, bytes: 10, ...(state === 'ended' && { outcome: 'succeeded', endedAt: at }) };
}

async function storeLog(folder: string, bytes: number): Promise<void> {
  const log = RunLog.create(folder, { shape: 'lines', limits: defaultLimits, onFailure: failIfBroken });
  log.write('stdout', Buffer.from(`${'x'.repeat(bytes - 1)}\n`));
  await log.close();
}

/** Resolves when the work that a start begins with is done. */
async function started({ retention }: Attic): Promise<void> {
  retention.start();
  await retention.sweep();
}

describe('retention', () => {
  it('removes the records and logs of old runs, and no others', () => inAttic(async (attic) => {
    for (const [id, agoMs] of [['old', 5_000], ['older', 9_000], ['young', 0]] as const) await attic.keep(id, { agoMs });
    await attic.keep('running', { agoMs: 9_000, state: 'running' });
    attic.rules = { ageMs: 2_000 };
    await started(attic);
    expect(attic.ids()).to.deep.equal(['young', 'running']);
    expect(attic.folders()).to.deep.equal(['running', 'young']);
    expect(readdirSync(join(attic.folder, trashName))).to.deep.equal([]);
  }));

  it('keeps what still owes something, until it does not', () => inAttic(async (attic) => {
    await attic.keep('one');
    attic.store.journal({ run: 'one', kind: 'process', id: 'a', facts: {} });
    attic.rules = { runs: 0 };
    await started(attic);
    expect(attic.folders()).to.deep.equal(['one']);
    attic.store.strike({ run: 'one', id: 'a' });
    await attic.retention.sweep();
    expect([attic.ids(), attic.folders()]).to.deep.equal([[], []]);
  }));

  it('counts what is stored, and removes the oldest while it is too much', () => inAttic(async (attic) => {
    for (const id of ['a', 'b', 'c']) {
      await attic.keep(id, { bytes: 100_000 });
      // Within a millisecond their order would be by chance.
      const now = Date.now();
      await until('the clock goes on', () => Date.now() > now);
    }
    attic.rules = { bytes: 250_000 };
    await started(attic);
    expect(attic.folders()).to.deep.equal(['b', 'c']);
    attic.rules = { bytes: 250_000 };
    await attic.retention.sweep();
    expect(attic.folders()).to.deep.equal(['b', 'c']);
  }));

  it('counts what jobs made, and removes it with the run, also of one that printed nothing', () => inAttic(async (attic) => {
    const make = (id: string): void => {
      mkdirSync(join(attic.folder, id, 'artifacts', 'build', 'deep'), { recursive: true });
      writeFileSync(join(attic.folder, id, 'artifacts', 'build', 'deep', 'app'), Buffer.alloc(100_000));
    };
    attic.store.insert(recordOf('silent', 'ended', Date.now() - 9_000));
    make('silent');
    await attic.keep('loud', { agoMs: 5_000 });
    make('loud');
    await attic.keep('plain');
    attic.rules = { bytes: 250_000 };
    await started(attic);
    expect(attic.folders()).to.deep.equal(['loud', 'plain', 'silent']);
    attic.rules = { bytes: 150_000 };
    await attic.retention.sweep();
    expect([attic.ids(), attic.folders()]).to.deep.equal([['loud', 'plain'], ['loud', 'plain']]);
    attic.rules = { runs: 1 };
    await attic.retention.sweep();
    expect([attic.ids(), attic.folders()]).to.deep.equal([['plain'], ['plain']]);
  }));

  it('removes the oldest parts of a run that goes on, and goes on with it', () => inAttic(async (attic) => {
    const log = RunLog.create(join(attic.folder, 'growing'), { shape: 'lines', limits: { ...defaultLimits, segmentBytesMax: 64 << 10 }, onFailure: failIfBroken });
    attic.growing.push({ id: 'growing', record: { call: 'a' }, log });
    attic.store.insert(recordOf('growing', 'running', 0));
    for (let at = 0; at < 40; at++) {
      log.write('stdout', Buffer.from(`${'x'.repeat(9_999)}\n`));
      await until('it is written', () => log.written.byte === log.position.byte);
    }
    const before = await log.segments();
    expect(before.length).to.be.greaterThan(3);
    attic.rules = { bytes: 150_000, runs: 0, ageMs: 0 };
    await started(attic);
    const after = await log.segments();
    expect(after.length).to.be.within(1, 3);
    expect(after.at(-1)).to.deep.equal(before.at(-1));
    expect(attic.ids()).to.deep.equal(['growing']);
    await log.close();
  }));

  it('finishes what a gateway that was killed had begun', () => inAttic(async (attic) => {
    await attic.keep('kept');
    await attic.keep('forgotten');
    attic.store.forget('forgotten');
    mkdirSync(join(attic.folder, trashName, '17'), { recursive: true });
    writeFileSync(join(attic.folder, trashName, '17', 'lines'), 'x');
    await started(attic);
    expect(attic.folders()).to.deep.equal(['kept']);
    expect(readdirSync(join(attic.folder, trashName))).to.deep.equal([]);
  }));

  it('comes after runs have ended, by itself', () => inAttic(async (attic) => {
    attic.rules = { runs: 1 };
    await started(attic);
    for (const id of ['a', 'b', 'c']) {
      await attic.keep(id);
      attic.retention.ended(attic.store.get(id)!);
    }
    await until('two are forgotten', () => attic.ids().length === 1);
    await until('and their logs are removed', () => attic.folders().join() === 'c');
  }));

  it('comes every now and then, though no run ends', () => inAttic(async (attic) => {
    await attic.keep('old', { agoMs: 5_000 });
    await started(attic);
    attic.rules = { ageMs: 1_000 };
    await until('it is forgotten', () => attic.ids().length === 0);
  }, { sweepMs: () => 20 }));

  it('leaves a name free at once for a run that begins again', () => inAttic(async (attic) => {
    await started(attic);
    for (let again = 0; again < 3; again++) {
      await attic.keep('same');
      attic.retention.ended(attic.store.get('same')!);
      attic.rules = { runs: 0 };
      const swept = attic.retention.sweep();
      await until('it is forgotten', () => attic.store.get('same') === undefined);
      expect(existsSync(join(attic.folder, 'same'))).to.equal(false);
      await swept;
    }
  }));

  it('removes nothing more once it is stopped', () => inAttic(async (attic) => {
    await attic.keep('one');
    await started(attic);
    await attic.retention.stop();
    attic.rules = { runs: 0 };
    await attic.retention.sweep();
    expect(attic.folders()).to.deep.equal(['one']);
  }));

  it('goes through many runs', () => inAttic(async (attic) => {
    for (let at = 0; at < 1_000; at++) attic.store.insert(recordOf(`run-${at}`, 'ended', Date.now() + at));
    attic.rules = { runs: 3 };
    await started(attic);
    expect(attic.ids()).to.deep.equal(['run-997', 'run-998', 'run-999']);
  }));
});

describe('a gateway that is to keep few runs', () => {
  it('forgets the others, of each call by its own rule', async () => {
    const gateway = await startTestGateway('retention: { runs: 4 }\ncalls:\n  a: { process: [echo, a], retention: { runs: 1 } }\n  b: { process: [echo, b] }\n');
    try {
      for (const call of ['a', 'b', 'a', 'b', 'b', 'b', 'a']) {
        const client = await wsClient(gateway.wsUrl);
        client.control({ call });
        await client.rest();
      }
      const calls = async (): Promise<string> => ((await gateway.getJson('/api/v1/http/runs')) as { runs: readonly RunRecord[] }).runs.map(({ call }) => call).join('');
      await until('the others are forgotten', async () => await calls() === 'abbb');
      await until('their logs are removed', () => readdirSync(gateway.runsFolder).filter((name) => name !== trashName).length === 4);
    } finally {
      await gateway.stop();
    }
  });
});
