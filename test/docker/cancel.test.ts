// A run is stopped at whichever moment: nothing is left, and the receipt says how it went.

import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { WorkFailed, type ContainerSpec, type Exit } from '../../calls/contract/engines.ts';
import type { Receipt } from '../../protocol/record.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { sharedEngine } from '../helpers/engine.ts';
import { fakePorts, type FakePorts } from '../helpers/ports.ts';
import { failureOf, testEngine } from './setup.ts';

const spec = (script: string): ContainerSpec => ({ image: 'busybox', command: ['sh', '-c', script], network: 'none' });
const deaf = spec('trap "" TERM; echo ready; while :; do sleep 1; done');
const asleep = spec('echo ready; exec sleep 60');

describe('docker cancel', function () {
  this.timeout(90_000);
  let engine: DockerEngine;

  before(async () => {
    engine = testEngine(await sharedEngine());
  });

  after(() => engine.close());

  afterEach(async () => {
    expect(await engine.list()).to.deep.equal([]);
  });

  async function cancel(run: FakePorts): Promise<Receipt> {
    run.abort();
    return run.releaseWith({ container: engine.release });
  }

  const steps = (receipt: Receipt): string[] => receipt.released.map(({ how }) => how);

  it('ends what listens to the stop signal by that, and tells the exit code', async () => {
    const run = fakePorts({ stop: { signal: 'SIGTERM', graceMs: 20_000 } });
    const flow = engine.container(run.ports)(asleep);
    await run.output.has('ready');
    const begun = performance.now();
    const receipt = await cancel(run);
    expect(performance.now() - begun).to.be.below(3_000);
    expect(steps(receipt)).to.deep.equal(['SIGTERM']);
    expect(await flow).to.deep.equal({ exitCode: 143 });
  });

  it('sends the stop signal that the call names', async () => {
    const run = fakePorts({ stop: { signal: 'SIGINT', graceMs: 20_000 } });
    const flow = engine.container(run.ports)(spec('trap "echo bye; exit 5" INT; echo ready; while :; do sleep 0.1; done'));
    await run.output.has('ready');
    expect(steps(await cancel(run))).to.deep.equal(['SIGINT']);
    expect(await flow).to.deep.equal({ exitCode: 5 });
    expect(run.output.stdout()).to.equal('ready\nbye\n');
  });

  it('kills what ignores the stop signal, within the grace and a second', async () => {
    const run = fakePorts({ stop: { signal: 'SIGTERM', graceMs: 1_500 } });
    const flow = engine.container(run.ports)(deaf);
    await run.output.has('ready');
    const begun = performance.now();
    const receipt = await cancel(run);
    expect(performance.now() - begun).to.be.within(1_400, 2_500);
    expect(steps(receipt)).to.deep.equal(['SIGKILL']);
    expect(await flow).to.deep.equal({ exitCode: 137 });
  });

  it('skips the rest of the grace when in a hurry', async () => {
    const run = fakePorts({ stop: { signal: 'SIGTERM', graceMs: 60_000 } });
    const flow = engine.container(run.ports)(deaf);
    await run.output.has('ready');
    const begun = performance.now();
    const released = cancel(run);
    run.hurry();
    expect(steps(await released)).to.deep.equal(['SIGKILL']);
    expect(performance.now() - begun).to.be.below(3_000);
    await flow;
  });

  it('creates nothing when the run was stopped before', async () => {
    const run = fakePorts();
    run.abort();
    expect(await engine.container(run.ports)(asleep)).to.deep.equal({});
    expect(run.events).to.deep.equal([]);
  });

  for (const type of ['container-created', 'container-started']) {
    it(`leaves nothing when stopped at once after ${type}`, async () => {
      const run = fakePorts();
      const flow = engine.container(run.ports)(asleep);
      await run.event(type);
      const receipt = await cancel(run);
      expect(receipt.clean).to.equal(true);
      const exit = await flow;
      expect([undefined, 137, 143]).to.include(exit.exitCode);
    });
  }

  it('leaves nothing at 30 random moments', async () => {
    const moments = Array.from({ length: 30 }, () => Math.random() * 500);
    for (let at = 0; at < moments.length; at += 3) {
      await Promise.all(moments.slice(at, at + 3).map(async (ms) => {
        const run = fakePorts({ stop: { signal: 'SIGTERM', graceMs: 5_000 } });
        const flow = engine.container(run.ports)(spec('echo ready; sleep 0.2')).catch((error: unknown) => error);
        // The moment itself is what is tried; nothing is waited for.
        await pause(ms);
        const receipt = await cancel(run);
        const exit = (await flow) as Exit;
        expect(exit, `after ${ms} ms`).to.not.be.instanceOf(Error);
        expect(receipt.clean, `after ${ms} ms: ${JSON.stringify(receipt)}`).to.equal(true);
        // Stopped before anything was owed, there is nothing to account for.
        expect(receipt.released.length).to.equal(run.obligations.length);
      }));
    }
    expect(await engine.list()).to.deep.equal([]);
  });

  it('ends a container from its journal entry alone', async () => {
    const run = fakePorts();
    const flow = engine.container(run.ports)(asleep);
    await run.output.has('ready');
    const entry = run.obligations[0]?.entry;
    if (entry === undefined) throw new Error('nothing was journaled');
    const another = testEngine(await sharedEngine());
    const written = JSON.parse(JSON.stringify(entry)) as typeof entry;
    const manner = { stop: run.ports.stop, hurry: new AbortController().signal, flow: Promise.resolve() };
    expect(await another.release(written, manner)).to.deep.equal({ how: 'SIGTERM' });
    expect(await another.release(written, manner)).to.deep.equal({ how: 'gone' });
    another.close();
    expect(await flow).to.deep.equal({ exitCode: 143 });
  });

  it('releases what was journaled and never came to be', async () => {
    const manner = { stop: { signal: 'SIGTERM', graceMs: 100 } as const, hurry: new AbortController().signal, flow: Promise.resolve() };
    const entry = { run: 'never', kind: 'container', id: 'distillery-never', facts: {} } as const;
    expect(await engine.release(entry, manner)).to.deep.equal({ how: 'never created' });
  });

  it('touches no container but its own', async () => {
    const [kept, ended] = [fakePorts({ run: 'a' }), fakePorts({ run: 'a.b' })];
    const flows = [kept, ended].map((run) => engine.container(run.ports)(asleep));
    await Promise.all([kept, ended].map((run) => run.output.has('ready')));
    await cancel(ended);
    await flows[1];
    expect(await engine.list()).to.have.length(1);
    await cancel(kept);
    await flows[0];
  });

  it('tells what is left when there is no engine to ask', async () => {
    const nowhere = testEngine('unix:///no/such/engine.sock');
    const manner = { stop: { signal: 'SIGTERM', graceMs: 100 } as const, hurry: new AbortController().signal, flow: Promise.resolve() };
    const release = await nowhere.release({ run: 'r', kind: 'container', id: 'distillery-r', facts: {} }, manner);
    expect(release).to.deep.equal({ left: 'distillery-r may still be there: the Docker engine does not answer' });
    const error = await failureOf(nowhere.container(fakePorts().ports)(asleep));
    expect(error).to.be.instanceOf(WorkFailed);
    expect(error.message).to.equal('no Docker engine answers: start one, or name it in distillery.yaml as docker.host');
    nowhere.close();
  });
});
