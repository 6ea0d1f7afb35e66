// Tests requests for an existing run id, and access to ended runs.

import { expect } from 'chai';
import type { Call } from '../../calls/contract/call.ts';
import type { Caller } from '../../calls/contract/context.ts';
import { withTempFolder } from '../helpers/runs/test-log.ts';
import {
  caller,
  codeCall,
  collectOutput,
  openTestRuns,
  processCall,
  waitForAbort,
  waitUntilStarted,
  withTestRuns,
} from '../helpers/runs/test-runs.ts';

const bob: Caller = { user: 'bob', token: false, scopes: [] };
const admin: Caller = { user: 'root', token: false, scopes: ['*'] };
const body: Call['body'] = async ({ signal }) => {
  await waitForAbort(signal);
  return {};
};
const params = [{ name: 'who' }, { name: 'how', default: 'well' }];

describe('a request with the id of an existing run', () => {
  const calls = [codeCall('it', body, { params }), codeCall('other', body, { params })];
  const first = { call: 'it', params: ['ada'], caller, id: 'mine' };

  it('a matching request returns the existing run and starts nothing', () =>
    withTestRuns(calls, async ({ runs }) => {
      const started = runs.start(first);
      expect(started).to.deep.include({ existing: false, mayControl: true });
      await waitUntilStarted(started.activeRun!);
      const again = runs.start(first);
      expect(again).to.deep.include({ existing: true, mayControl: true });
      expect(again.run).to.equal(started.activeRun);
      expect(again.activeRun).to.equal(started.activeRun);
      expect(runs.start({ ...first, params: ['ada', 'well'] }).run).to.equal(started.activeRun);
      expect(runs.list({ limit: 5 }).runs).to.have.length(1);
    }));

  it('a request that differs is rejected, and the message names the difference', () =>
    withTestRuns(calls, async ({ runs }) => {
      runs.start(first);
      const again = (change: object) => () => runs.start({ ...first, ...change });
      expect(again({ params: ['bob'] })).to.throw(
        'there is a run "mine" already, with other parameters; choose another id, or omit it',
      );
      expect(again({ call: 'other' })).to.throw('there is a run "mine" already, of another call ("it"); choose');
      expect(again({ call: 'other', params: ['x', 'y'] })).to.throw('of another call ("it") and with other parameters');
      expect(again({ caller: bob })).to.throw(
        'the run id "mine" belongs to another caller; choose another id, or omit it',
      );
    }));

  it('a matching request returns an ended run, even after a restart and if its call no longer exists', () =>
    withTempFolder(async (folder) => {
      const call = processCall('it', ['sh', '-c', 'echo one; echo two >&2; printf three'], { params });
      const before = openTestRuns(folder, [call]);
      const record = await before.runs.start(first).run.ended;
      await before.close();
      for (const callsAtRestart of [[call], []]) {
        const testRuns = openTestRuns(folder, callsAtRestart);
        const again = testRuns.runs.start({ ...first, params: ['ada', 'well'] });
        expect(again).to.deep.include({ existing: true, mayControl: true });
        expect(again).not.to.have.property('activeRun');
        expect(await again.run.ended).to.deep.equal(record);
        expect(
          (await collectOutput(again.run)).filter((received) => typeof received === 'string').sort(),
        ).to.deep.equal(['one', 'three', 'two']);
        await testRuns.close();
      }
    }));

  it('requests match by the digest of hidden params, and the work receives their values', () =>
    withTempFolder(async (folder) => {
      const secretive = [
        { name: 'who' },
        { name: 'text', recorded: 'digest' as const },
        { name: 'more', default: 'none', recorded: 'digest' as const },
      ];
      const seen: string[] = [];
      const call = codeCall(
        'it',
        async ({ params: given }) => {
          seen.push(given['text']!);
          return {};
        },
        { params: secretive },
      );
      const request = { ...first, params: ['ada', 'größe\n'] };
      const shown = ['ada', 'sha256:80509adb883cb2f4 (8 bytes)', 'sha256:140bedbf9c3f6d56 (4 bytes)'];
      const before = openTestRuns(folder, [call]);
      expect((await before.runs.start(request).run.ended).params).to.deep.equal(shown);
      await before.close();
      expect(seen).to.deep.equal(['größe\n']);
      for (const callsAtRestart of [[call], []]) {
        const testRuns = openTestRuns(folder, callsAtRestart);
        const again = testRuns.runs.start({ ...request, params: [...request.params, 'none'] });
        expect(again).to.include({ existing: true });
        expect(again.run.record.params).to.deep.equal(shown);
        expect(() => testRuns.runs.start({ ...request, params: ['ada', 'grösse\n', 'none'] })).to.throw(
          'with other parameters',
        );
        expect(testRuns.store.getSpec('mine')?.params).to.include({ text: 'größe\n' });
        await testRuns.close();
      }
    }));

  it('concurrent matching requests all return the same run', () =>
    withTestRuns([processCall('it', ['echo', 'hello'], { params })], async ({ runs }) => {
      const all = Array.from({ length: 20 }, () => runs.start(first).run);
      expect(new Set(all.map((run) => run.id)).size).to.equal(1);
      for (const received of await Promise.all(all.map(collectOutput))) expect(received).to.deep.equal(['hello']);
    }));
});

describe('attaching to a run', () => {
  const calls = [codeCall('it', body, { params: [], scope: 'operators' })];
  const operator = (user: string): Caller => ({ user, token: false, scopes: ['operators'] });

  it('any caller may watch a run; control needs the scope of the call, and ownership of the run or scope *', () =>
    withTestRuns(
      calls,
      async ({ runs }) => {
        const run = runs.start({ call: 'it', params: [], caller: operator('ada') }).activeRun!;
        const may = (who: Caller) => runs.attach(run.id, who).mayControl;
        expect(may(operator('ada'))).to.equal(true);
        expect(may(operator('bob'))).to.equal(false);
        expect(may({ ...operator('ada'), scopes: [] })).to.equal(false);
        expect(may(admin)).to.equal(true);
        expect(runs.attach(run.id, bob).activeRun).to.equal(run);
      },
      { allows: ({ scopes }, scope) => scope === undefined || scopes.includes(scope) || scopes.includes('*') },
    ));

  it('an ended run has its log and its record, and cannot be controlled', () =>
    withTestRuns([processCall('it', ['echo', 'hello'])], async ({ start, runs }) => {
      const run = start('it');
      const record = await run.ended;
      await Promise.resolve();
      const attached = runs.attach(run.id, caller);
      expect(attached).not.to.have.property('activeRun');
      expect(attached.run.record).to.deep.equal(record);
      expect(await collectOutput(attached.run)).to.deep.equal(['hello']);
      expect(await collectOutput(runs.view(run.id))).to.deep.equal(['hello']);
    }));

  it('an ended run without output delivers nothing', () =>
    withTestRuns([processCall('it', ['true'])], async ({ start, runs }) => {
      const run = start('it');
      await run.ended;
      expect(await collectOutput(runs.view(run.id))).to.deep.equal([]);
    }));

  it('attaching to an unknown run is rejected', () =>
    withTestRuns([], async ({ runs }) => {
      expect(() => runs.attach('no\nsuch', caller)).to.throw('no such run "no\\nsuch"');
    }));
});
