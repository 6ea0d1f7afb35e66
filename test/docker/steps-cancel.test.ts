// A run of many containers is stopped at whichever moment, or its gateway is gone: nothing is left, networks and volumes neither.

import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import type { StepContainer } from '../../calls/contract/containers.ts';
import type { ObligationEntry, ReleaseManner } from '../../calls/contract/ports.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import type { Connection } from '../../server/docker/connect.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { sharedEngine } from '../helpers/engine.ts';
import { soon } from '../helpers/until.ts';
import { testEngine } from './setup.ts';
import { archiveOf, rawEngine, releasersOf, stepRun, type StepRun } from './steps-setup.ts';

describe('docker steps cancel', function () {
  this.timeout(120_000);
  let engine: DockerEngine;
  let raw: Connection;

  before(async () => {
    const host = await sharedEngine();
    engine = testEngine(host);
    raw = await rawEngine(host);
  });

  after(() => {
    raw.close();
    engine.close();
  });

  afterEach(async () => {
    expect(await engine.list()).to.deep.equal([]);
  });

  const manner: ReleaseManner = { stop: { signal: 'SIGTERM', graceMs: 2_000 }, hurry: new AbortController().signal, flow: Promise.resolve() };

  /** A job with a service beside it, as a pipeline does it: every member has its turn. */
  async function work({ steps, run, sh, name }: StepRun): Promise<void> {
    await steps.image({ image: 'busybox', pull: 'missing', signal: run.ports.signal, onPull: () => {} });
    const [network, volume] = await Promise.all([steps.network('n'), steps.volume('v')]);
    const service = await steps.create(sh('exec sleep 60', { name: name('service'), network, aliases: ['s'] }));
    await service.start(run.output);
    const job = await steps.create(sh('sleep 0.2', { network, volumes: [`${volume}:/v`], user: '1234', workdir: '/code' }));
    await job.put('/code', archiveOf([{ name: 'file', text: 'x'.repeat(10_000) }]));
    const { ended } = await job.start(run.output);
    await job.exec(['sh', '-c', 'echo hello'], { output: run.output });
    await service.health();
    await ended;
    await (await job.get('/code'))?.[Symbol.asyncIterator]().return?.();
    await Promise.all([job.remove(), service.remove()]);
  }

  it('leaves nothing at 40 random moments, and the receipts are true', async () => {
    const moments = Array.from({ length: 40 }, () => Math.random() * 1_500);
    for (let at = 0; at < moments.length; at += 4) {
      await Promise.all(moments.slice(at, at + 4).map(async (ms) => {
        const it = await stepRun(engine, { stop: { signal: 'SIGTERM', graceMs: 5_000 } });
        const flow = work(it).then(() => undefined, (error: unknown) => error);
        // The moment itself is what is tried; nothing is waited for.
        await pause(ms);
        it.run.abort();
        const receipt = await it.run.releaseWith(releasersOf(engine));
        expect(receipt.clean, `after ${ms} ms: ${JSON.stringify(receipt)}`).to.equal(true);
        expect(receipt.released.length).to.equal(it.run.obligations.length);
        const error = await soon('the work ends', flow);
        if (error !== undefined) expect(String(error), `after ${ms} ms`).to.match(/^WorkFailed: /);
      }));
      expect(await engine.list()).to.deep.equal([]);
    }
  });

  it('leaves nothing when each is removed at a random moment of its own', async () => {
    const it = await stepRun(engine);
    await Promise.all(Array.from({ length: 12 }, async () => {
      const step = await it.steps.create(it.sh('echo ready; sleep 0.2', { name: it.name() }));
      const flow = step.start(it.run.output).then(({ ended }) => ended);
      await pause(Math.random() * 600);
      const release = await step.remove();
      expect(release).to.have.property('how');
      const { exitCode } = await flow;
      expect(exitCode).to.be.oneOf([undefined, 0]);
    }));
  });

  it('stops all containers of the run at the same time, each by the stop policy of the run', async () => {
    const it = await stepRun(engine, { stop: { signal: 'SIGTERM', graceMs: 1_000 } });
    const deaf = 'trap "" TERM; echo ready; while :; do sleep 0.1; done';
    const steps: StepContainer[] = [];
    for (let n = 0; n < 4; n += 1) {
      const step = await it.steps.create(it.sh(deaf, { name: it.name() }));
      const output = it.run.output.part(step.name);
      await step.start(output);
      await output.has('ready');
      steps.push(step);
    }
    const begun = performance.now();
    const releases = await Promise.all(steps.map((step) => step.stop()));
    expect(performance.now() - begun).to.be.below(3_900);
    expect(releases).to.deep.equal(Array.from({ length: 4 }, () => ({ how: 'SIGKILL' })));
  });

  it('is ended from the journal alone, the last that was made first', async () => {
    const it = await stepRun(engine);
    const network = await it.steps.network('n');
    const volume = await it.steps.volume('v');
    const step = await it.steps.create(it.sh('echo ready; exec sleep 60', { network, volumes: [`${volume}:/v`] }));
    const { ended } = await step.start(it.run.output);
    const end = ended.catch((error: unknown) => error);
    await it.run.output.has('ready');
    // As they stand in the journal, read by a gateway that has seen none of it.
    const entries = JSON.parse(JSON.stringify(it.run.obligations.map(({ entry }) => entry))) as ObligationEntry[];
    const another = testEngine(await sharedEngine());
    const releasers = releasersOf(another);
    const hows = [];
    for (const entry of [...entries, ...entries].reverse()) hows.push(await releasers[entry.kind]?.(entry, manner));
    expect(hows.slice(0, 3)).to.deep.equal([{ how: 'SIGTERM' }, { how: 'removed' }, { how: 'removed' }]);
    expect(hows.slice(3)).to.deep.equal([{ how: 'gone' }, { how: 'gone' }, { how: 'gone' }]);
    await end;
    another.close();
  });

  it('waits for the containers that still use a network or a volume', async () => {
    const it = await stepRun(engine);
    const network = await it.steps.network('n');
    const volume = await it.steps.volume('v');
    const step = await it.steps.create(it.sh('echo ready; exec sleep 60', { network, volumes: [`${volume}:/v`] }));
    await step.start(it.run.output);
    await it.run.output.has('ready');
    const [ofNetwork, ofVolume] = it.run.obligations.map(({ obligation }) => obligation.release());
    await step.remove();
    expect(await Promise.all([ofNetwork, ofVolume])).to.deep.equal([{ how: 'removed' }, { how: 'removed' }]);
  });

  it('tells what is left when something else keeps it in use', async () => {
    const hasty = testEngine(await sharedEngine(), { limits: { ...defaultLimits, releaseMs: 500 } });
    const it = await stepRun(hasty);
    const [network, volume] = [await it.steps.network('n'), await it.steps.volume('v')];
    const other = await raw.docker.createContainer({ Image: 'busybox', Cmd: ['sleep', '60'], HostConfig: { NetworkMode: network, Binds: [`${volume}:/v`], Init: true } });
    await other.start();
    const releasers = releasersOf(hasty);
    const short = { ...manner, stop: { signal: 'SIGTERM', graceMs: 0 } as const };
    for (const { entry } of it.run.obligations) {
      expect(await releasers[entry.kind]?.(entry, short)).to.deep.equal({ left: 'a container still uses it' });
    }
    await other.remove({ force: true });
    // Tried again, as at the next start of the gateway.
    for (const { entry } of it.run.obligations) expect(await releasers[entry.kind]?.(entry, short)).to.deep.equal({ how: 'removed' });
    hasty.close();
  });

  it('touches no network and no volume but its own', async () => {
    const [kept, ended] = [await stepRun(engine, { run: 'a' }), await stepRun(engine, { run: 'a.b' })];
    const theirs = await Promise.all([kept.steps.network('n'), kept.steps.volume('v')]);
    await Promise.all([ended.steps.network('n'), ended.steps.volume('v')]);
    const foreign = { run: 'a.b', kind: 'volume', id: theirs[1]!, facts: {} } as const;
    expect(await engine.releaseVolume(foreign, manner)).to.deep.equal({ how: 'gone' });
    await ended.run.releaseWith(releasersOf(engine));
    expect(await engine.list()).to.have.length(2);
    await kept.run.releaseWith(releasersOf(engine));
  });

  it('tells what is left when there is no engine to ask', async () => {
    const nowhere = testEngine('unix:///no/such/engine.sock');
    for (const kind of ['network', 'volume'] as const) {
      const release = await releasersOf(nowhere)[kind]?.({ run: 'r', kind, id: `distillery-r-${kind}-x`, facts: {} }, manner);
      expect(release).to.deep.equal({ left: `distillery-r-${kind}-x may still be there: the Docker engine does not answer` });
    }
    nowhere.close();
  });
});
