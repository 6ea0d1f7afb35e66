// Stops runs with several containers at various moments, and checks that no container, network or volume is left.

import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import type { StepContainer } from '../../calls/contract/containers.ts';
import type { ObligationEntry, ReleaseOptions } from '../../calls/contract/ports.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import type { Connection } from '../../server/docker/connect.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { createTestEngine } from '../helpers/docker/test-engine.ts';
import {
  connectDirectly,
  createArchive,
  createStepRun,
  engineReleasers,
  type StepRun,
} from '../helpers/docker/test-steps.ts';
import { createRandom } from '../helpers/seeded-random.ts';
import { endlessGraceMs, withDeadline } from '../helpers/wait-until.ts';

/** Set FUZZ_SEED to the seed of a failed run to repeat its moments. */
const seed = Number(process.env['FUZZ_SEED'] ?? randomInt(1_000_000));

describe('docker: cancelling step containers', function () {
  this.timeout(120_000);
  let engine: DockerEngine;
  let raw: Connection;

  before(async () => {
    const host = await sharedEngineHost();
    engine = createTestEngine(host);
    raw = await connectDirectly(host);
  });

  after(() => {
    raw.close();
    engine.close();
  });

  afterEach(async () => {
    expect(await engine.listResources()).to.deep.equal([]);
  });

  const manner: ReleaseOptions = {
    stop: { signal: 'SIGTERM', graceMs: 2_000 },
    force: new AbortController().signal,
    pending: Promise.resolve(),
  };

  /** Runs a job with a service, a network, a volume, files and an additional command, as a pipeline does. */
  async function work({ steps, run, sh, name }: StepRun): Promise<void> {
    await steps.image({ image: 'busybox', pull: 'missing', signal: run.ports.signal, onPull: () => {} });
    const [network, volume] = await Promise.all([steps.network('n'), steps.volume('v')]);
    const service = await steps.create(sh('exec sleep 60', { name: name('service'), network, aliases: ['s'] }));
    await service.start(run.output);
    const job = await steps.create(
      sh('sleep 0.2', { network, volumes: [`${volume}:/v`], user: '1234', workdir: '/code' }),
    );
    await job.put('/code', createArchive([{ name: 'file', text: 'x'.repeat(10_000) }]));
    const { ended } = await job.start(run.output);
    await job.exec(['sh', '-c', 'echo hello'], { output: run.output });
    await ended;
    await (await job.get('/code'))?.[Symbol.asyncIterator]().return?.();
    await Promise.all([job.remove(), service.remove()]);
  }

  it(`runs stopped at 40 random moments leave nothing and have clean receipts (seed ${seed})`, async () => {
    const random = createRandom(seed);
    const moments = Array.from({ length: 40 }, () => random() * 1_500);
    for (let at = 0; at < moments.length; at += 4) {
      await Promise.all(
        moments.slice(at, at + 4).map(async (ms) => {
          const setup = await createStepRun(engine, { stop: { signal: 'SIGTERM', graceMs: 5_000 } });
          const flow = work(setup).then(
            () => undefined,
            (reason: unknown) => reason,
          );
          // The random delay is what this test is about.
          await pause(ms);
          setup.run.abort();
          const receipt = await setup.run.releaseAll(engineReleasers(engine));
          expect(receipt.clean, `after ${ms} ms: ${JSON.stringify(receipt)}`).to.equal(true);
          expect(receipt.released.length).to.equal(setup.run.obligations.length);
          const error = await withDeadline('the work ends', flow);
          if (error !== undefined) expect(String(error), `after ${ms} ms`).to.match(/^WorkFailed: /);
        }),
      );
      expect(await engine.listResources()).to.deep.equal([]);
    }
  });

  it(`containers removed at random moments leave nothing (seed ${seed})`, async () => {
    const random = createRandom(seed);
    const setup = await createStepRun(engine);
    await Promise.all(
      Array.from({ length: 12 }, async () => {
        const step = await setup.steps.create(setup.sh('echo ready; sleep 0.2', { name: setup.name() }));
        const flow = step.start(setup.run.output).then(({ ended }) => ended);
        await pause(random() * 600);
        const release = await step.remove();
        expect(release).to.have.property('how');
        const { exitCode } = await flow;
        expect(exitCode).to.be.oneOf([undefined, 0]);
      }),
    );
  });

  it('stopping all containers of a run happens in parallel, by the stop policy of the run', async () => {
    const setup = await createStepRun(engine, { stop: { signal: 'SIGTERM', graceMs: endlessGraceMs } });
    const script = 'trap "echo asked" TERM; echo ready; while :; do sleep 0.1; done';
    const containers: { readonly step: StepContainer; readonly output: ReturnType<typeof setup.run.output.part> }[] =
      [];
    for (let n = 0; n < 4; n += 1) {
      const step = await setup.steps.create(setup.sh(script, { name: setup.name() }));
      const output = setup.run.output.part(step.name);
      await step.start(output);
      await output.waitForText('ready');
      containers.push({ step, output });
    }
    const releases = Promise.all(containers.map(({ step }) => step.stop()));
    // The grace is longer than the test may take, so no stop can finish before the others begin.
    await Promise.all(containers.map(({ output }) => output.waitForText('asked')));
    setup.run.forceStop();
    expect(await releases).to.deep.equal(Array.from({ length: 4 }, () => ({ how: 'SIGKILL' })));
  });

  it('a release in reverse order needs only the journal', async () => {
    const setup = await createStepRun(engine);
    const network = await setup.steps.network('n');
    const volume = await setup.steps.volume('v');
    const step = await setup.steps.create(
      setup.sh('echo ready; exec sleep 60', { network, volumes: [`${volume}:/v`] }),
    );
    const { ended } = await step.start(setup.run.output);
    const end = ended.catch((error: unknown) => error);
    await setup.run.output.waitForText('ready');
    // Entries as another gateway would read them from the journal.
    const entries = JSON.parse(JSON.stringify(setup.run.obligations.map(({ entry }) => entry))) as ObligationEntry[];
    const another = createTestEngine(await sharedEngineHost());
    const releasers = engineReleasers(another);
    const hows: unknown[] = [];
    for (const entry of [...entries, ...entries].reverse()) hows.push(await releasers[entry.kind]?.(entry, manner));
    expect(hows.slice(0, 3)).to.deep.equal([{ how: 'SIGTERM' }, { how: 'removed' }, { how: 'removed' }]);
    expect(hows.slice(3)).to.deep.equal([{ how: 'gone' }, { how: 'gone' }, { how: 'gone' }]);
    await end;
    another.close();
  });

  it('a release of a network or volume waits for the containers that use it', async () => {
    const setup = await createStepRun(engine);
    const network = await setup.steps.network('n');
    const volume = await setup.steps.volume('v');
    const step = await setup.steps.create(
      setup.sh('echo ready; exec sleep 60', { network, volumes: [`${volume}:/v`] }),
    );
    await step.start(setup.run.output);
    await setup.run.output.waitForText('ready');
    const [networkRelease, volumeRelease] = setup.run.obligations.map(({ obligation }) => obligation.release());
    await step.remove();
    expect(await Promise.all([networkRelease, volumeRelease])).to.deep.equal([{ how: 'removed' }, { how: 'removed' }]);
  });

  it('a release reports a network or volume that another container uses', async () => {
    const engineWithTimeout = createTestEngine(await sharedEngineHost(), {
      limits: { ...defaultLimits, releaseMs: 500 },
    });
    const setup = await createStepRun(engineWithTimeout);
    const [network, volume] = [await setup.steps.network('n'), await setup.steps.volume('v')];
    const other = await raw.docker.createContainer({
      Image: 'busybox',
      Cmd: ['sleep', '60'],
      HostConfig: { NetworkMode: network, Binds: [`${volume}:/v`], Init: true },
    });
    await other.start();
    const releasers = engineReleasers(engineWithTimeout);
    const short = { ...manner, stop: { signal: 'SIGTERM', graceMs: 0 } as const };
    for (const { entry } of setup.run.obligations) {
      expect(await releasers[entry.kind]?.(entry, short)).to.deep.equal({ left: 'a container is still using it' });
    }
    await other.remove({ force: true });
    // Release again, as the next gateway process would.
    for (const { entry } of setup.run.obligations)
      expect(await releasers[entry.kind]?.(entry, short)).to.deep.equal({ how: 'removed' });
    engineWithTimeout.close();
  });

  it('a release removes no network and no volume of another run', async () => {
    const [otherRun, ended] = [await createStepRun(engine, { run: 'a' }), await createStepRun(engine, { run: 'a.b' })];
    const otherNames = await Promise.all([otherRun.steps.network('n'), otherRun.steps.volume('v')]);
    await Promise.all([ended.steps.network('n'), ended.steps.volume('v')]);
    const foreign = { run: 'a.b', kind: 'volume', id: otherNames[1]!, facts: {} } as const;
    expect(await engine.releaseVolume(foreign, manner)).to.deep.equal({ how: 'gone' });
    await ended.run.releaseAll(engineReleasers(engine));
    expect(await engine.listResources()).to.have.length(2);
    await otherRun.run.releaseAll(engineReleasers(engine));
  });

  it('a release reports what may still exist when no engine answers', async () => {
    const nowhere = createTestEngine('unix:///no/such/engine.sock');
    for (const kind of ['network', 'volume'] as const) {
      const release = await engineReleasers(nowhere)[kind]?.(
        { run: 'r', kind, id: `distillery-r-${kind}-x`, facts: {} },
        manner,
      );
      expect(release).to.deep.equal({
        left: `distillery-r-${kind}-x may still exist: the Docker engine does not answer`,
      });
    }
    nowhere.close();
  });
});
