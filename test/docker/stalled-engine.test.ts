// Stops runs while their engine does not answer a request: no run waits for the answer, and nothing is left once the
// engine has answered.

import { expect } from 'chai';
import type { Containers } from '../../calls/contract/containers.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { type StallingEngine, startStallingEngine } from '../helpers/docker/stalling-engine.ts';
import { createTestEngine, expectRejection } from '../helpers/docker/test-engine.ts';
import { createStepRun, engineReleasers } from '../helpers/docker/test-steps.ts';
import { type FakePorts, fakePorts, type Releasers } from '../helpers/runs/fake-run-ports.ts';

const requests = {
  ping: /\/_ping/,
  create: /^POST \/containers\/create/,
  attach: /\/attach/,
  wait: /\/wait/,
  start: /^POST \/containers\/[^/]+\/start/,
  exec: /\/exec/,
  network: /^POST \/networks\/create/,
  volume: /^POST \/volumes\/create/,
} as const;

describe('P6: an engine that does not answer a request', function () {
  this.timeout(60_000);
  let daemon: StallingEngine;
  let engine: DockerEngine;
  const limits = { ...defaultLimits, releaseMs: 1_000 };
  const stop = { signal: 'SIGTERM', graceMs: 100 } as const;

  beforeEach(async () => {
    daemon = await startStallingEngine();
    engine = createTestEngine(daemon.host, { limits });
  });

  afterEach(async () => {
    daemon.pass();
    expect(await engine.listResources()).to.deep.equal([]);
    engine.close();
    await daemon.close();
  });

  const sleeping = { image: 'busybox', command: ['sleep', '300'], network: 'none' } as const;

  for (const request of ['ping', 'create', 'attach', 'wait'] as const)
    it(`a stopped container run ends although the engine does not answer: ${request}`, async () => {
      const run = fakePorts({ stop });
      daemon.stall(requests[request]);
      const work = engine.container(run.ports)(sleeping);
      await daemon.waitForStalled();
      run.abort();
      expect(await work).to.deep.equal({});
      const receipt = run.releaseAll(engineReleasers(engine));
      daemon.pass();
      expect((await receipt).left).to.deep.equal([]);
    });

  const unanswered: Releasers = { container: async () => ({ left: 'the engine does not answer' }) };

  /** Lets the engine answer again, and releases what the stopped run has left. */
  async function releaseLater({ ports, obligations }: FakePorts): Promise<void> {
    daemon.pass();
    const options = { stop: ports.stop, force: new AbortController().signal, pending: Promise.resolve() };
    for (const { entry } of obligations) expect(await engine.release(entry, options)).to.have.property('how');
  }

  it('a container run ends with the release of its container if the engine does not answer its start', async () => {
    const run = fakePorts({ stop });
    daemon.stall(requests.start);
    const work = engine.container(run.ports)(sleeping);
    await daemon.waitForStalled();
    run.abort();
    await run.releaseAll(unanswered);
    expect(await work).to.deep.equal({});
    await releaseLater(run);
  });

  it('a container run ends with the release of its container if the engine does not report its exit', async () => {
    const run = fakePorts({ stop });
    const work = engine.container(run.ports)(sleeping);
    await run.waitForEvent('container-started');
    daemon.stall(/./);
    run.abort();
    await run.releaseAll(unanswered);
    expect(await work).to.deep.equal({});
    await releaseLater(run);
  });

  it('a stopped run of an adopted container ends at the latest when its container is released', async () => {
    const first = fakePorts({ stop });
    void engine.container(first.ports)(sleeping);
    await first.waitForEvent('container-started');
    const { entry } = first.obligations[0]!;
    for (const request of [/\/json/, /\/wait/]) {
      const run = fakePorts({ stop });
      daemon.stall(request);
      const work = engine.adopt(run.ports, entry, { stdout: 0, stderr: 0 });
      await daemon.waitForStalled();
      run.abort();
      await run.releaseAll(unanswered);
      expect(await work).to.deep.equal({});
      daemon.pass();
    }
    first.abort();
    await first.releaseAll(engineReleasers(engine));
  });

  it('opening the engine fails if the run is stopped while the engine does not answer', async () => {
    const run = fakePorts({ stop });
    daemon.stall(requests.ping);
    const opening = expectRejection(engine.steps(run.ports));
    await daemon.waitForStalled();
    run.abort();
    expect((await opening).message).to.equal('cannot use the engine: the run is being stopped');
  });

  const creations: Readonly<Record<string, [RegExp, (steps: Containers, name: string) => Promise<unknown>]>> = {
    network: [requests.network, (steps) => steps.network('n')],
    volume: [requests.volume, (steps) => steps.volume('v')],
    cache: [requests.volume, (steps) => steps.cache('stalled-engine')],
    container: [requests.create, (steps, name) => steps.create({ ...sleeping, name, job: 'job' })],
  };

  for (const [what, [request, create]] of Object.entries(creations))
    it(`a stopped run does not wait for the creation of its ${what} while the engine does not answer`, async () => {
      const { run, steps, name } = await createStepRun(engine, { stop });
      daemon.stall(request);
      const creation = expectRejection(create(steps, name()));
      await daemon.waitForStalled();
      run.abort();
      expect((await creation).message).to.match(/^cannot create the .*: the run is being stopped$/);
      const receipt = run.releaseAll(engineReleasers(engine));
      daemon.pass();
      expect((await receipt).left).to.deep.equal([]);
    });

  it('the start and the commands of a step container end with its release if the engine does not answer', async () => {
    const { run, steps, sh } = await createStepRun(engine, { stop, releasers: unanswered });
    const idle = await steps.create(sh('exec sleep 300'));
    daemon.stall(requests.start);
    const starting = idle.start(run.output);
    await daemon.waitForStalled();
    daemon.pass();
    await starting;
    daemon.stall(requests.exec);
    const command = idle.exec(['true'], { output: run.output });
    await daemon.waitForStalled();
    const unstarted = await steps.create(sh('exec sleep 300'));
    daemon.stall(requests.start);
    const { ended } = await Promise.all([unstarted.start(run.output), run.releaseAll(unanswered)]).then(([one]) => one);
    expect(await Promise.all([ended, command])).to.deep.equal([{}, {}]);
    await releaseLater(run);
  });
});
