// An engine of our own: found again, ended with everything, and missed by those who use it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { WorkLost, type ContainerSpec } from '../../calls/contract/engines.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import { cgroupOf } from '../../server/docker/private-cgroup.ts';
import { startPrivateEngine, type PrivateEngine } from '../../server/docker/private-engine.ts';
import { isAlive, startTime } from '../../server/docker/process-mark.ts';
import { fakePorts } from '../helpers/ports.ts';
import { failureOf, testEngine } from './setup.ts';

const asleep: ContainerSpec = { image: 'busybox', command: ['sh', '-c', 'echo ready; exec sleep 60'], network: 'none' };

describe('docker private engine', function () {
  this.timeout(90_000);
  let folder: string;
  const started: PrivateEngine[] = [];
  const names = new Set<string>();

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dk-own-'));
  });

  afterEach(async () => {
    for (const engine of started.splice(0)) await engine.stop();
    await rm(folder, { recursive: true });
    for (const name of names) expect(await hierarchiesWith(name), name).to.deep.equal([]);
    names.clear();
  });

  async function start(more: { tie?: boolean; folder?: string } = {}): Promise<PrivateEngine> {
    const engine = await startPrivateEngine({ folder, tie: true, ...more });
    started.push(engine);
    names.add(cgroupOf(await realpath(more.folder ?? folder)));
    return engine;
  }

  async function hierarchiesWith(cgroup: string): Promise<string[]> {
    const hierarchies: string[] = ['', ...await readdir('/sys/fs/cgroup')];
    const found = await Promise.all(hierarchies.map((name) => readdir(join('/sys/fs/cgroup', name)).catch((): string[] => [])));
    return hierarchies.filter((_, at) => found[at]?.includes(cgroup));
  }

  async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (!(await condition())) {
      if (Date.now() > deadline) throw new Error(`not within 20 s: ${what}`);
      await pause(20);
    }
  }

  it('is found again by whoever names the same folder', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    const three = await start();
    expect([two.pid, three.pid]).to.deep.equal([one.pid, one.pid]);
    expect([two.host, three.host]).to.deep.equal([one.host, one.host]);
  });

  it('ends with its containers, and starts again with its images', async () => {
    const own = await start();
    const engine = testEngine(own.host);
    const run = fakePorts();
    const flow = engine.container(run.ports)(asleep).catch((error: unknown) => error);
    await run.output.has('ready');
    await own.stop();
    await own.stop();
    expect(await flow).to.be.instanceOf(WorkLost);
    expect(await readFile(`/proc/${own.inside}/stat`, 'utf8').catch(() => 'gone')).to.satisfy((stat: string) => stat === 'gone' || / Z /.test(stat));
    const again = await start();
    expect(again.pid).to.not.equal(own.pid);
    const fresh = testEngine(again.host);
    const [entry] = run.obligations;
    const hurry = new AbortController().signal;
    // The container of before is still there, stopped; the journal knows it.
    expect(await fresh.release(entry!.entry, { stop: run.ports.stop, hurry, flow: Promise.resolve() })).to.have.property('how');
    expect(await testEngine(again.host).list()).to.deep.equal([]);
    engine.close();
    fresh.close();
  });

  it('is told to be gone when it goes while a container runs, and so is the container', async () => {
    const own = await start();
    const engine = testEngine(own.host, { limits: { ...defaultLimits, releaseMs: 1_000 } });
    const run = fakePorts({ stop: { signal: 'SIGTERM', graceMs: 100 } });
    const flow = engine.container(run.ports)(asleep);
    await run.output.has('ready');
    process.kill(own.pid, 'SIGKILL');
    const error = await failureOf(flow);
    expect(error).to.be.instanceOf(WorkLost);
    expect(error.message).to.equal('the Docker engine went away while the container was running');
    const receipt = await run.releaseWith({ container: engine.release });
    expect(receipt.clean).to.equal(false);
    expect(receipt.left[0]?.why).to.match(/^distillery-.* may still be there: the Docker engine does not answer$/);
    engine.close();
  });

  it('works from a folder deeper than a socket may be', async () => {
    const deep = join(folder, 'a'.repeat(120));
    const own = await start({ folder: deep });
    const engine = testEngine(own.host);
    expect(await engine.availability()).to.deep.equal({ available: true });
    engine.close();
  });

  for (const tie of [true, false]) {
    it(tie ? 'ends with the process that started it, when tied to it' : 'outlives the process that started it, when not tied to it', async () => {
      const program = `
        import { startPrivateEngine } from ${JSON.stringify(fileURLToPath(new URL('../../server/docker/private-engine.ts', import.meta.url)))};
        const { inside } = await startPrivateEngine({ folder: ${JSON.stringify(folder)}, tie: ${tie} });
        process.stdout.write(inside + '\\n');
        setInterval(() => {}, 1000);`;
      const child = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
      const [line] = await once(child.stdout, 'data');
      const pid = Number(String(line));
      const mark = { pid, started: (await startTime(pid)) ?? '' };
      child.kill('SIGKILL');
      await once(child, 'exit');
      if (tie) await until('the engine ended', async () => !(await isAlive(mark)));
      const found = await start();
      expect(found.inside === pid).to.equal(!tie);
    });
  }

  it('says what to install when parts are missing', async () => {
    const path = process.env['PATH'];
    const { missingParts } = await import('../../server/docker/private-parts.ts');
    expect(await missingParts('/nowhere')).to.match(/^a private Docker engine needs dockerd, .*apt-get install --no-install-recommends docker\.io tini busybox-static iptables iproute2/);
    expect(await missingParts(`${path}:/usr/sbin:/sbin`)).to.equal(undefined);
  });
});
