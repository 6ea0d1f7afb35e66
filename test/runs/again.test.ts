// The same run asked for again, and runs that are over, as those meet them who come later.

import { expect } from 'chai';
import type { Call } from '../../calls/contract/call.ts';
import type { Caller } from '../../calls/contract/context.ts';
import { begun, caller, code, openHeart, program, stopped, toldBy, withHeart } from './heart.ts';
import { inFolder } from './kit.ts';

const bob: Caller = { user: 'bob', token: false, scopes: [] };
const admin: Caller = { user: 'root', token: false, scopes: ['*'] };
const body: Call['body'] = async ({ signal }) => { await stopped(signal); return {}; };
const params = [{ name: 'who' }, { name: 'how', default: 'well' }];

describe('a run that is asked for again by its id', () => {
  const calls = [code('it', body, { params }), code('other', body, { params })];
  const first = { call: 'it', params: ['ada'], caller, id: 'mine' };

  it('is the one that there is, and nothing is started', () => withHeart(calls, async ({ runs }) => {
    const started = runs.start(first);
    expect(started).to.deep.include({ existing: false, mayControl: true });
    await begun(started.live!);
    const again = runs.start(first);
    expect(again).to.deep.include({ existing: true, mayControl: true });
    expect(again.run).to.equal(started.live);
    expect(again.live).to.equal(started.live);
    expect(runs.start({ ...first, params: ['ada', 'well'] }).run).to.equal(started.live);
    expect(runs.list({ limit: 5 }).runs).to.have.length(1);
  }));

  it('is refused when it is another one, with what differs', () => withHeart(calls, async ({ runs }) => {
    runs.start(first);
    const again = (change: object) => () => runs.start({ ...first, ...change });
    expect(again({ params: ['bob'] })).to.throw('there is a run "mine" already, with other parameters; choose another id, or none');
    expect(again({ call: 'other' })).to.throw('there is a run "mine" already, of another call ("it"); choose');
    expect(again({ call: 'other', params: ['x', 'y'] })).to.throw('of another call ("it") and with other parameters');
    expect(again({ caller: bob })).to.throw('the run id "mine" is taken by somebody else; choose another, or none');
  }));

  it('is told when it is long over, also by the next gateway, and although its call is gone', () => inFolder(async (folder) => {
    const call = program('it', ['sh', '-c', 'echo one; echo two >&2; printf three'], { params });
    const before = openHeart(folder, [call]);
    const record = await before.runs.start(first).run.ended;
    await before.close();
    for (const there of [[call], []]) {
      const heart = openHeart(folder, there);
      const again = heart.runs.start({ ...first, params: ['ada', 'well'] });
      expect(again).to.deep.include({ existing: true, mayControl: true });
      expect(again).not.to.have.property('live');
      expect(await again.run.ended).to.deep.equal(record);
      expect((await toldBy(again.run)).filter((told) => typeof told === 'string').sort()).to.deep.equal(['one', 'three', 'two']);
      await heart.close();
    }
  }));

  it('is known by the digests of params that records do not show, and its work has their values', () => inFolder(async (folder) => {
    const secretive = [{ name: 'who' }, { name: 'text', recorded: 'digest' as const }, { name: 'more', default: 'none', recorded: 'digest' as const }];
    const seen: string[] = [];
    const call = code('it', async ({ params: given }) => { seen.push(given['text']!); return {}; }, { params: secretive });
    const asked = { ...first, params: ['ada', 'größe\n'] };
    const shown = ['ada', 'sha256:80509adb883cb2f4 (8 bytes)', 'sha256:140bedbf9c3f6d56 (4 bytes)'];
    const before = openHeart(folder, [call]);
    expect((await before.runs.start(asked).run.ended).params).to.deep.equal(shown);
    await before.close();
    expect(seen).to.deep.equal(['größe\n']);
    for (const there of [[call], []]) {
      const heart = openHeart(folder, there);
      const again = heart.runs.start({ ...asked, params: [...asked.params, 'none'] });
      expect(again).to.include({ existing: true });
      expect(again.run.record.params).to.deep.equal(shown);
      expect(() => heart.runs.start({ ...asked, params: ['ada', 'grösse\n', 'none'] })).to.throw('with other parameters');
      expect(heart.store.facts('mine')?.params).to.include({ text: 'größe\n' });
      await heart.close();
    }
  }));

  it('is told as it was, however often it is asked for at once', () => withHeart([program('it', ['echo', 'hello'], { params })], async ({ runs }) => {
    const all = Array.from({ length: 20 }, () => runs.start(first).run);
    expect(new Set(all.map((run) => run.id)).size).to.equal(1);
    for (const told of await Promise.all(all.map(toldBy))) expect(told).to.deep.equal(['hello']);
  }));
});

describe('attaching to a run', () => {
  const calls = [code('it', body, { params: [], scope: 'operators' })];
  const operator = (user: string): Caller => ({ user, token: false, scopes: ['operators'] });

  it('lets everybody watch, and those control who may make the call and started it, or may do everything', () => withHeart(calls, async ({ runs }) => {
    const run = runs.start({ call: 'it', params: [], caller: operator('ada') }).live!;
    const may = (who: Caller) => runs.attach(run.id, who).mayControl;
    expect(may(operator('ada'))).to.equal(true);
    expect(may(operator('bob'))).to.equal(false);
    expect(may({ ...operator('ada'), scopes: [] })).to.equal(false);
    expect(may(admin)).to.equal(true);
    expect(runs.attach(run.id, bob).live).to.equal(run);
  }, { allows: ({ scopes }, scope) => scope === undefined || scopes.includes(scope) || scopes.includes('*') }));

  it('that is over gives what its files hold and its record, and nothing to control', () => withHeart([program('it', ['echo', 'hello'])], async ({ start, runs }) => {
    const run = start('it');
    const record = await run.ended;
    await Promise.resolve();
    const attached = runs.attach(run.id, caller);
    expect(attached).not.to.have.property('live');
    expect(attached.run.record).to.deep.equal(record);
    expect(await toldBy(attached.run)).to.deep.equal(['hello']);
    expect(await toldBy(runs.watch(run.id))).to.deep.equal(['hello']);
  }));

  it('that printed nothing tells nothing', () => withHeart([program('it', ['true'])], async ({ start, runs }) => {
    const run = start('it');
    await run.ended;
    expect(await toldBy(runs.watch(run.id))).to.deep.equal([]);
  }));

  it('that is unknown is refused', () => withHeart([], async ({ runs }) => {
    expect(() => runs.attach('no\nsuch', caller)).to.throw('no such run "no\\nsuch"');
  }));
});
