// Pulls images from a real registry, with progress and with all kinds of failures.

import { expect } from 'chai';
import { type ContainerSpec, WorkFailed } from '../../calls/contract/engines.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import { type Connection, connect } from '../../server/docker/connect.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { type ImageRegistry, type LayerBehavior, startImageRegistry } from '../helpers/docker/image-registry.ts';
import { engineNetworkPath, sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { createTestEngine, expectRejection } from '../helpers/docker/test-engine.ts';
import { type FakePorts, fakePorts } from '../helpers/runs/fake-run-ports.ts';

describe('docker: pulling images', function () {
  this.timeout(60_000);
  let engine: DockerEngine;
  let raw: Connection;
  let registry: ImageRegistry;
  const pulled: string[] = [];

  before(async () => {
    const host = await sharedEngineHost();
    engine = createTestEngine(host);
    const reached = await connect(host);
    if ('why' in reached) throw new Error(reached.why);
    raw = reached;
    registry = await startImageRegistry(engineNetworkPath());
  });

  after(async () => {
    for (const image of pulled)
      await raw.docker
        .getImage(image)
        .remove({ force: true })
        .catch(() => {});
    await registry.close();
    raw.close();
    engine.close();
  });

  afterEach(async () => {
    expect(await engine.listResources()).to.deep.equal([]);
  });

  function createSpec(fate: LayerBehavior, more: Partial<ContainerSpec> = {}): ContainerSpec {
    const image = registry.imageName(fate);
    pulled.push(image);
    return { image, command: ['sh', '-c', 'echo from the image'], network: 'none', ...more };
  }

  const types = (run: FakePorts): string[] => run.events.map(({ type }) => type);

  it('a missing image is pulled with progress events, and its container runs', async () => {
    const run = fakePorts();
    const spec = createSpec('slow');
    expect(await engine.container(run.ports)(spec)).to.deep.equal({ exitCode: 0 });
    expect(run.output.stdout()).to.equal('from the image\n');
    expect(types(run).slice(0, 2)).to.deep.equal(['image-pulling', 'image-progress']);
    expect(run.events[0]?.facts).to.deep.equal({ image: spec.image });
    const last = run.events.filter(({ type }) => type === 'image-progress').at(-1);
    expect(last?.facts).to.include({ image: spec.image, layers: 1, done: 1 });
    expect(last?.facts['bytes'])
      .to.equal(last?.facts['bytesTotal'])
      .and.to.be.above(3 << 20);
    expect(types(run)).to.include.members(['image-pulled', 'container-created']);
    await run.releaseAll({ container: engine.release });
  });

  it('a present image is not pulled, unless the policy is "always"', async () => {
    const spec = createSpec('whole');
    const events: string[][] = [];
    for (const pull of ['missing', 'missing', 'never', 'always'] as const) {
      const run = fakePorts();
      await engine.container(run.ports)({ ...spec, pull });
      await run.releaseAll({ container: engine.release });
      events.push(types(run).filter((type) => type === 'image-pulling' || type === 'image-pulled'));
    }
    const asked = ['image-pulling', 'image-pulled'];
    expect(events).to.deep.equal([asked, [], [], asked]);
  });

  it('a pull with a corrupt layer fails and reports the reason', async () => {
    const run = fakePorts();
    const spec = createSpec('broken');
    const error = await expectRejection(engine.container(run.ports)(spec));
    expect(error).to.be.instanceOf(WorkFailed);
    expect(error.message).to.match(/^cannot pull "127\.0\.0\.1:\d+\/broken\/.*": .*verification failed/);
    expect(types(run)).to.not.include('image-pulled');
    const receipt = await run.releaseAll({ container: engine.release });
    expect(receipt.released.map(({ how }) => how)).to.deep.equal(['never created']);
  });

  it('a pull that takes too long fails and reports the limit', async () => {
    const engineWithTimeout = createTestEngine(raw.host, { limits: { ...defaultLimits, pullMs: 700 } });
    const run = fakePorts();
    const spec = createSpec('stalled');
    const error = await expectRejection(engineWithTimeout.container(run.ports)(spec));
    expect(error.message).to.equal(`cannot pull "${spec.image}": not finished after 700 ms; raise limits.pullMs`);
    await registry.waitForStall();
    await registry.waitForDrop();
    await run.releaseAll({ container: engineWithTimeout.release });
    engineWithTimeout.close();
  });

  it('a pull stops when its run is stopped', async () => {
    const run = fakePorts();
    const work = engine.container(run.ports)(createSpec('stalled'));
    await registry.waitForStall();
    run.abort();
    const receipt = await run.releaseAll({ container: engine.release });
    expect(await work).to.deep.equal({});
    expect(receipt.released.map(({ how }) => how)).to.deep.equal(['never created']);
    await registry.waitForDrop();
    expect(types(run)).to.not.include('image-pulled');
  });
});
