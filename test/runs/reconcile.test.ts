import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Releaser } from '../../calls/contract/ports.ts';
import type { RunRecord } from '../../protocol/record.ts';
import { runProcessesLeft } from '../helpers/leftovers.ts';
import { openHeart } from './heart.ts';
import { inFolder } from './kit.ts';

/** Starts runs in another process and kills that. Gives the ids of the runs. */
async function victims(folder: string): Promise<readonly [string, string, string]> {
  const victim = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('programs/victim.ts', import.meta.url)), folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = await once(victim.stdout, 'data') as [Buffer];
  victim.kill('SIGKILL');
  await once(victim, 'exit');
  return String(said).trim().split(' ') as unknown as readonly [string, string, string];
}

const lost = 'the gateway ended before the end of this run was recorded; what became of it was not seen';

const record = (id: string, more: Partial<RunRecord> = {}): RunRecord => ({
  id, call: 'gone', params: [], caller: '', node: 'n', state: 'running', queuedAt: '2026-01-01T00:00:00.000Z', lines: 5, bytes: 50, ...more,
});

describe('after a gateway was killed', () => {
  it('what it had running is ended by the next, and every run has a true record', () => inFolder(async (folder) => {
    const [generations, printing, deferring] = await victims(folder);
    expect(runProcessesLeft(generations)).to.have.length.of.at.least(3);
    const heart = openHeart(folder, [], { limits: { graceMs: 200 } });
    try {
      await heart.reconcile();
      for (const run of [generations, printing, deferring]) {
        expect(runProcessesLeft(run)).to.deep.equal([]);
        expect(heart.store.get(run)).to.deep.include({ state: 'ended', outcome: 'unknown', message: lost });
      }
      expect(heart.store.get(generations)).to.deep.include({ lines: 3, bytes: 19 });
      expect(heart.store.get(generations)?.cleanup?.released.map(({ kind, how }) => [kind, how])).to.deep.equal([['process', 'SIGKILL']]);
      expect(heart.store.get(printing)).to.deep.include({ lines: 2, bytes: 8 });
      expect(heart.store.get(printing)?.cleanup?.clean).to.equal(true);
      expect(heart.store.get(deferring)?.cleanup).to.deep.equal({
        clean: false, released: [], left: [{ kind: 'deferred', id: 'tidy', why: 'the gateway ended before it was done' }],
      });
      expect(heart.store.unended()).to.deep.equal([]);
      expect(heart.store.owing()).to.deep.equal([]);
      expect((await heart.runs.lines(printing, { after: 0, limit: 9, bytesMax: 99 }))).to.deep.equal({ lines: ['one', 'two'], next: 2, ended: true });
    } finally {
      await heart.close();
    }
  })).timeout(30_000);

  it('what was left of runs that had ended is tried again, and their receipts stand', () => inFolder(async (folder) => {
    const tried: string[] = [];
    const process: Releaser = async ({ run }) => {
      tried.push(run);
      if (run === 'stubborn') return { left: 'does not end' };
      if (run === 'broken') throw new Error('no');
      return { how: 'SIGKILL' };
    };
    const heart = openHeart(folder, [], { releasers: { process } });
    const ended = (id: string) => record(id, { state: 'ended', outcome: 'failed', cleanup: { clean: false, released: [], left: [{ kind: 'process', id: 'p', why: 'stayed' }] } });
    for (const id of ['willing', 'stubborn', 'broken']) {
      heart.store.insert(ended(id));
      heart.store.journal({ run: id, kind: 'process', id: 'p', facts: {} });
    }
    await heart.reconcile();
    expect([...tried].sort()).to.deep.equal(['broken', 'stubborn', 'willing']);
    expect([...heart.store.owing()].sort()).to.deep.equal(['broken', 'stubborn']);
    for (const id of ['willing', 'stubborn', 'broken']) expect(heart.store.get(id)).to.deep.equal(ended(id));
    await heart.close();
  }));

  it('one that cannot be settled does not keep the others from it', () => inFolder(async (folder) => {
    const heart = openHeart(folder, [], {
      store: (store) => ({ ...store, update: (told) => { if (told.id === 'cursed') throw new Error('disk full'); store.update(told); } }),
    });
    for (const id of ['cursed', 'without-log']) heart.store.insert(record(id));
    rmSync(join(folder, 'runs'), { recursive: true });
    await heart.reconcile();
    expect(heart.store.get('without-log')).to.deep.include({ state: 'ended', outcome: 'unknown', lines: 5, bytes: 50 });
    expect(heart.store.get('cursed')?.state).to.equal('running');
    expect(heart.logged()).to.contain('disk full');
    await heart.close();
  }));

  it('a run whose end the disk did not take is told as unknown, and not as having been running', () => inFolder(async (folder) => {
    const heart = openHeart(folder, []);
    heart.store.insert(record('ended-unrecorded', { state: 'cancelling' }));
    await heart.reconcile();
    expect(heart.store.get('ended-unrecorded')).to.deep.include({ outcome: 'unknown', message: lost, cleanup: { clean: true, released: [], left: [] } });
    await heart.close();
  }));
});
