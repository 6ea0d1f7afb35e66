// Tests what a gateway does at its start with the runs of an earlier gateway that was killed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { RunRecord } from '../../../protocol/run-record.ts';
import { leftoverProcesses } from '../../helpers/leftovers.ts';
import { withTempFolder } from '../../helpers/runs/test-log.ts';
import { openTestRuns } from '../../helpers/runs/test-runs.ts';

/** Starts runs in another process and kills that process. Returns the ids of the runs. */
async function startAndKill(folder: string): Promise<readonly [string, string, string]> {
  const victim = spawn(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL('../../helpers/runs/programs/crash-victim.ts', import.meta.url)), folder],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [output] = (await once(victim.stdout, 'data')) as [Buffer];
  victim.kill('SIGKILL');
  await once(victim, 'exit');
  return String(output).trim().split(' ') as unknown as readonly [string, string, string];
}

const lostText = 'the gateway ended before the end of this run was recorded; its exit status is unknown';

const record = (id: string, more: Partial<RunRecord> = {}): RunRecord => ({
  id,
  call: 'gone',
  params: [],
  caller: '',
  node: 'n',
  state: 'running',
  queuedAt: '2026-01-01T00:00:00.000Z',
  lines: 5,
  bytes: 50,
  ...more,
});

describe('the start after a gateway was killed', () => {
  it('the next gateway releases what was running and completes the record of every run', () =>
    withTempFolder(async (folder) => {
      const [generations, printing, deferring] = await startAndKill(folder);
      expect(leftoverProcesses(generations)).to.have.length.of.at.least(3);
      const testRuns = openTestRuns(folder, [], { limits: { graceMs: 200 } });
      try {
        await testRuns.reconcile();
        for (const run of [generations, printing, deferring]) {
          expect(leftoverProcesses(run)).to.deep.equal([]);
          expect(testRuns.store.get(run)).to.deep.include({ state: 'ended', outcome: 'unknown', message: lostText });
        }
        expect(testRuns.store.get(generations)).to.deep.include({ lines: 3, bytes: 19 });
        expect(testRuns.store.get(generations)?.cleanup?.released.map(({ kind, how }) => [kind, how])).to.deep.equal([
          ['process', 'SIGKILL'],
        ]);
        expect(testRuns.store.get(printing)).to.deep.include({ lines: 2, bytes: 8 });
        expect(testRuns.store.get(printing)?.cleanup?.clean).to.equal(true);
        expect(testRuns.store.get(deferring)?.cleanup).to.deep.equal({
          clean: false,
          released: [],
          left: [{ kind: 'deferred', id: 'tidy', why: 'the gateway ended before this work was done' }],
        });
        expect(testRuns.store.listUnfinished()).to.deep.equal([]);
        expect(testRuns.store.runsWithObligations()).to.deep.equal([]);
        expect(await testRuns.runs.lines(printing, { after: 0, limit: 9, bytesMax: 99 })).to.deep.equal({
          lines: ['one', 'two'],
          next: 2,
          ended: true,
        });
      } finally {
        await testRuns.close();
      }
    })).timeout(60_000);

  it('a run whose record cannot be stored does not affect other runs', () =>
    withTempFolder(async (folder) => {
      const testRuns = openTestRuns(folder, [], {
        store: (store) => ({
          ...store,
          updateBatched: (received, onSettled, bytes) =>
            received.id === 'cursed'
              ? onSettled(new Error('disk full'))
              : store.updateBatched(received, onSettled, bytes),
        }),
      });
      for (const id of ['cursed', 'without-log']) testRuns.store.insert(record(id));
      rmSync(join(folder, 'runs'), { recursive: true });
      await testRuns.reconcile();
      expect(testRuns.store.get('without-log')).to.deep.include({
        state: 'ended',
        outcome: 'unknown',
        lines: 5,
        bytes: 50,
      });
      expect(testRuns.store.get('cursed')?.state).to.equal('running');
      expect(testRuns.logged()).to.contain('disk full');
      await testRuns.close();
    }));

  it('a run whose end could not be stored gets the outcome unknown', () =>
    withTempFolder(async (folder) => {
      const testRuns = openTestRuns(folder, []);
      testRuns.store.insert(record('ended-unrecorded', { state: 'cancelling' }));
      await testRuns.reconcile();
      expect(testRuns.store.get('ended-unrecorded')).to.deep.include({
        outcome: 'unknown',
        message: lostText,
        cleanup: { clean: true, released: [], left: [] },
      });
      await testRuns.close();
    }));
});
