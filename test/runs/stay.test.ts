import { expect } from 'chai';
import type { Call } from '../../calls/contract/call.ts';
import type { DisconnectRules } from '../../calls/contract/disconnect.ts';
import { begun, caller, code, stopped, withHeart, type Heart } from './heart.ts';

const disconnected = 'cancelled: client disconnected';

const body: Call['body'] = async ({ signal }) => { await stopped(signal); return {}; };

const any: DisconnectRules = { default: { type: 'cancel' }, allow: [{ type: 'detach' }, { type: 'grace', graceMs: 60_000 }] };

/** A run with this policy, begun, and those who stay with it. */
async function running({ runs }: Heart, onDisconnect?: string) {
  const run = runs.start({ call: 'it', params: [], caller, ...(onDisconnect !== undefined && { onDisconnect }) }).live!;
  await begun(run);
  return run;
}

const withCall = (rules: DisconnectRules | undefined, work: (heart: Heart) => Promise<void>) =>
  withHeart([code('it', body, rules === undefined ? {} : { onDisconnect: rules })], work);

describe('a run whose client is lost', () => {
  it('is stopped when nobody else stays with it', () => withCall(undefined, async (heart) => {
    const run = await running(heart);
    const [one, two] = [run.stay(), run.stay()];
    one.lose();
    one.lose();
    expect(run.record.state).to.equal('running');
    two.lose();
    expect(await run.ended).to.deep.include({ outcome: 'cancelled', message: disconnected });
  }));

  it('that cancels then is stopped although others look on; with a grace those who may control it keep it', () => withCall(any, async (heart) => {
    const [cancel, grace] = [await running(heart), await running(heart, 'grace:20ms')];
    for (const run of [cancel, grace]) run.stay('guest');
    for (const run of [cancel, grace]) run.stay('owner').lose();
    expect((await cancel.ended).message).to.equal(disconnected);
    expect(grace.record.state).to.equal('running');
  }));

  it('goes on when that was chosen', () => withCall(any, async (heart) => {
    const run = await running(heart, 'detach');
    run.stay().lose();
    expect(run.record.state).to.equal('running');
  }));

  it('is stopped after a grace, when nobody comes back', () => withCall(any, async (heart) => {
    const run = await running(heart, 'grace:20ms');
    run.stay().lose();
    expect(run.record.state).to.equal('running');
    expect((await run.ended).message).to.equal(disconnected);
  }));

  it('goes on when somebody comes back within the grace, and has a grace again', () => withCall(any, async (heart) => {
    const [run, other] = [await running(heart, 'grace:50ms'), await running(heart, 'grace:50ms')];
    run.stay().lose();
    const back = run.stay();
    other.stay().lose();
    // Its grace began later, so that of the first would be over too.
    await other.ended;
    expect(run.record.state).to.equal('running');
    back.lose();
    expect(run.record.state).to.equal('running');
    expect((await run.ended).message).to.equal(disconnected);
  }));

  it('is what its author says when the client says nothing', () => withCall({ default: { type: 'detach' }, allow: [] }, async (heart) => {
    const run = await running(heart);
    run.stay().lose();
    expect(run.record.state).to.equal('running');
  }));

  it('that its client has left for good is not stopped by one that looks in later and is lost', () => withCall(any, async (heart) => {
    const run = await running(heart);
    expect(run.stay().detach()).to.equal(true);
    run.stay().lose();
    expect(run.record.state).to.equal('running');
    expect(heart.store.facts(run.id)?.onDisconnect).to.deep.equal({ type: 'detach' });
  }));

  it('cannot be left where the call does not allow it, and nothing has changed then', () => withCall(undefined, async (heart) => {
    const run = await running(heart);
    const stay = run.stay();
    expect(stay.detach()).to.equal(false);
    expect(run.record.state).to.equal('running');
    stay.lose();
    expect((await run.ended).message).to.equal(disconnected);
  }));

  it('by a fault of ours is kept for a while, although it would be stopped', () => withCall(any, async (heart) => {
    const [cancel, detach] = [await running(heart), await running(heart, 'detach')];
    cancel.orphan(20);
    detach.orphan(20);
    expect(cancel.record.state).to.equal('running');
    expect((await cancel.ended).message).to.equal(disconnected);
    expect(detach.record.state).to.equal('running');
  }));

  it('is refused a policy that its call does not allow, with those that it does', () => withCall(undefined, async ({ runs }) => {
    const start = (onDisconnect: string) => () => runs.start({ call: 'it', params: [], caller, onDisconnect });
    expect(start('detach')).to.throw('"it" does not allow "detach" on disconnect; it allows cancel, grace:1m');
    expect(start('grace:2m')).to.throw('does not allow "grace:2m"');
    expect(start('never')).to.throw('write cancel, detach, or a grace');
    expect(start('grace:soon')).to.throw();
    expect(runs.list({ limit: 5 }).runs).to.deep.equal([]);
  }));
});
