// Tests the disconnect policies of runs.

import { expect } from 'chai';
import type { Call } from '../../calls/contract/call.ts';
import type { DisconnectRules } from '../../calls/contract/disconnect.ts';
import {
  caller,
  codeCall,
  type TestRuns,
  waitForAbort,
  waitUntilStarted,
  withTestRuns,
} from '../helpers/runs/test-runs.ts';

const disconnected = 'cancelled: client disconnected';

const body: Call['body'] = async ({ signal }) => {
  await waitForAbort(signal);
  return {};
};

const any: DisconnectRules = {
  default: { type: 'cancel' },
  allow: [{ type: 'detach' }, { type: 'grace', graceMs: 60_000 }],
};

/** Starts a run with this policy and waits until it runs. */
async function running({ runs }: TestRuns, onDisconnect?: string) {
  const run = runs.start({ call: 'it', params: [], caller, ...(onDisconnect !== undefined && { onDisconnect }) })
    .activeRun!;
  await waitUntilStarted(run);
  return run;
}

const withCall = (rules: DisconnectRules | undefined, work: (testRuns: TestRuns) => Promise<void>) =>
  withTestRuns([codeCall('it', body, rules === undefined ? {} : { onDisconnect: rules })], work);

describe('a run whose clients are disconnected', () => {
  it('a run is stopped when its last client is disconnected', () =>
    withCall(undefined, async (testRuns) => {
      const run = await running(testRuns);
      const [one, two] = [run.connectClient(), run.connectClient()];
      one.disconnected();
      one.disconnected();
      expect(run.record.state).to.equal('running');
      two.disconnected();
      expect(await run.ended).to.deep.include({ outcome: 'cancelled', message: disconnected });
    }));

  it('connected guests keep a run with the policy grace running, but not one with the policy cancel', () =>
    withCall(any, async (testRuns) => {
      const [cancel, grace] = [await running(testRuns), await running(testRuns, 'grace:20ms')];
      for (const run of [cancel, grace]) run.connectClient('guest');
      for (const run of [cancel, grace]) run.connectClient('owner').disconnected();
      expect((await cancel.ended).message).to.equal(disconnected);
      expect(grace.record.state).to.equal('running');
    }));

  it('a run with the policy detach continues without clients', () =>
    withCall(any, async (testRuns) => {
      const run = await running(testRuns, 'detach');
      run.connectClient().disconnected();
      expect(run.record.state).to.equal('running');
    }));

  it('a run with the policy grace is stopped after the time of the policy if no client reconnects', () =>
    withCall(any, async (testRuns) => {
      const run = await running(testRuns, 'grace:20ms');
      run.connectClient().disconnected();
      expect(run.record.state).to.equal('running');
      expect((await run.ended).message).to.equal(disconnected);
    }));

  it('a run with the policy grace continues if a client reconnects in time, and then has the whole time again', () =>
    withCall(any, async (testRuns) => {
      const [run, other] = [await running(testRuns, 'grace:50ms'), await running(testRuns, 'grace:50ms')];
      run.connectClient().disconnected();
      const back = run.connectClient();
      other.connectClient().disconnected();
      // By now, the policy would also have stopped `run` if no client had reconnected.
      await other.ended;
      expect(run.record.state).to.equal('running');
      back.disconnected();
      expect(run.record.state).to.equal('running');
      expect((await run.ended).message).to.equal(disconnected);
    }));

  it('a run has the policy of its call if the client names none', () =>
    withCall({ default: { type: 'detach' }, allow: [] }, async (testRuns) => {
      const run = await running(testRuns);
      run.connectClient().disconnected();
      expect(run.record.state).to.equal('running');
    }));

  it('a detached run continues when a client that connected after the detach is disconnected', () =>
    withCall(any, async (testRuns) => {
      const run = await running(testRuns);
      expect(run.connectClient().detach()).to.equal(true);
      run.connectClient().disconnected();
      expect(run.record.state).to.equal('running');
      expect(testRuns.store.getSpec(run.id)?.onDisconnect).to.deep.equal({ type: 'detach' });
    }));

  it('a client cannot detach if the call does not allow it, and the run keeps its policy', () =>
    withCall(undefined, async (testRuns) => {
      const run = await running(testRuns);
      const client = run.connectClient();
      expect(client.detach()).to.equal(false);
      expect(run.record.state).to.equal('running');
      client.disconnected();
      expect((await run.ended).message).to.equal(disconnected);
    }));

  it('a run whose clients were lost with the gateway waits for them to reconnect, even with the policy cancel', () =>
    withCall(any, async (testRuns) => {
      const [cancel, detach] = [await running(testRuns), await running(testRuns, 'detach')];
      cancel.awaitReconnect(20);
      detach.awaitReconnect(20);
      expect(cancel.record.state).to.equal('running');
      expect((await cancel.ended).message).to.equal(disconnected);
      expect(detach.record.state).to.equal('running');
    }));

  it('a policy that the call does not allow is rejected with a list of the allowed ones', () =>
    withCall(undefined, async ({ runs }) => {
      const start = (onDisconnect: string) => () => runs.start({ call: 'it', params: [], caller, onDisconnect });
      expect(start('detach')).to.throw('"it" does not allow "detach" on disconnect; it allows cancel, grace:1m');
      expect(start('grace:2m')).to.throw('does not allow "grace:2m"');
      expect(start('never')).to.throw('write cancel, detach, or a grace');
      expect(start('grace:soon')).to.throw();
      expect(runs.list({ limit: 5 }).runs).to.deep.equal([]);
    }));
});
