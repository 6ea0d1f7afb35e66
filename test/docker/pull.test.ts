// Images are pulled from a real registry: with progress, and with everything that can go wrong on the way.

import { expect } from 'chai';
import { WorkFailed, type ContainerSpec } from '../../calls/contract/engines.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import { connect, type Connection } from '../../server/docker/connect.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { engineNetwork, sharedEngine } from '../helpers/engine.ts';
import { fakePorts, type FakePorts } from '../helpers/ports.ts';
import { startRegistry, type LayerFate, type Registry } from '../helpers/registry.ts';
import { failureOf, testEngine } from './setup.ts';

describe('docker pull', function () {
  this.timeout(60_000);
  let engine: DockerEngine;
  let raw: Connection;
  let registry: Registry;
  const pulled: string[] = [];

  before(async () => {
    const host = await sharedEngine();
    engine = testEngine(host);
    const reached = await connect(host);
    if ('why' in reached) throw new Error(reached.why);
    raw = reached;
    registry = await startRegistry(engineNetwork());
  });

  after(async () => {
    for (const image of pulled) await raw.docker.getImage(image).remove({ force: true }).catch(() => {});
    await registry.close();
    raw.close();
    engine.close();
  });

  afterEach(async () => {
    expect(await engine.list()).to.deep.equal([]);
  });

  function wanting(fate: LayerFate, more: Partial<ContainerSpec> = {}): ContainerSpec {
    const image = registry.image(fate);
    pulled.push(image);
    return { image, command: ['sh', '-c', 'echo from the image'], network: 'none', ...more };
  }

  const types = (run: FakePorts): string[] => run.events.map(({ type }) => type);

  it('fetches what is missing, tells how far it is, and runs it', async () => {
    const run = fakePorts();
    const spec = wanting('slow');
    expect(await engine.container(run.ports)(spec)).to.deep.equal({ exitCode: 0 });
    expect(run.output.stdout()).to.equal('from the image\n');
    expect(types(run).slice(0, 2)).to.deep.equal(['image-pulling', 'image-progress']);
    expect(run.events[0]?.facts).to.deep.equal({ image: spec.image });
    const last = run.events.filter(({ type }) => type === 'image-progress').at(-1);
    expect(last?.facts).to.include({ image: spec.image, layers: 1, done: 1 });
    expect(last?.facts['bytes']).to.equal(last?.facts['bytesTotal']).and.to.be.above(3 << 20);
    expect(types(run)).to.include.members(['image-pulled', 'container-created']);
    await run.releaseWith({ container: engine.release });
  });

  it('asks no registry for what is there, unless told always', async () => {
    const spec = wanting('whole');
    const events: string[][] = [];
    for (const pull of ['missing', 'missing', 'never', 'always'] as const) {
      const run = fakePorts();
      await engine.container(run.ports)({ ...spec, pull });
      await run.releaseWith({ container: engine.release });
      events.push(types(run).filter((type) => type === 'image-pulling' || type === 'image-pulled'));
    }
    const asked = ['image-pulling', 'image-pulled'];
    expect(events).to.deep.equal([asked, [], [], asked]);
  });

  it('says why when the layer is not what was promised', async () => {
    const run = fakePorts();
    const spec = wanting('broken');
    const error = await failureOf(engine.container(run.ports)(spec));
    expect(error).to.be.instanceOf(WorkFailed);
    expect(error.message).to.match(/^cannot pull "127\.0\.0\.1:\d+\/broken\/.*": .*verification failed/);
    expect(types(run)).to.not.include('image-pulled');
    const receipt = await run.releaseWith({ container: engine.release });
    expect(receipt.released.map(({ how }) => how)).to.deep.equal(['never created']);
  });

  it('says how long it waited when a pull takes too long', async () => {
    const impatient = testEngine(raw.host, { limits: { ...defaultLimits, pullMs: 700 } });
    const run = fakePorts();
    const spec = wanting('stalled');
    const error = await failureOf(impatient.container(run.ports)(spec));
    expect(error.message).to.equal(`cannot pull "${spec.image}": not done after 700 ms; limits.pullMs allows more`);
    await registry.stalled();
    await registry.dropped();
    await run.releaseWith({ container: impatient.release });
    impatient.close();
  });

  it('lets go of a pull at once when the run is stopped in the middle', async () => {
    const run = fakePorts();
    const flow = engine.container(run.ports)(wanting('stalled'));
    await registry.stalled();
    const begun = performance.now();
    run.abort();
    const receipt = await run.releaseWith({ container: engine.release });
    expect(await flow).to.deep.equal({});
    expect(performance.now() - begun).to.be.below(1_000);
    expect(receipt.released.map(({ how }) => how)).to.deep.equal(['never created']);
    await registry.dropped();
    expect(types(run)).to.not.include('image-pulled');
  });
});
