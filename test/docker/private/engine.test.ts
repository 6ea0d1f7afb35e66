// Tests the private engine: reuse, shutdown, restart, loss of the engine, long paths and missing programs.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type ContainerSpec, WorkLost } from '../../../calls/contract/engines.ts';
import { defaultLimits } from '../../../protocol/limits.ts';
import { type PrivateEngine, startPrivateEngine } from '../../../server/docker/private/engine.ts';
import { cgroupName } from '../../../server/docker/private/private-cgroup.ts';
import { isAlive, readStartTime } from '../../../server/docker/private/process-identity.ts';
import { createTestEngine } from '../../helpers/docker/test-engine.ts';
import { fakePorts } from '../../helpers/runs/fake-run-ports.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const sleeps: ContainerSpec = { image: 'busybox', command: ['sh', '-c', 'echo ready; exec sleep 60'], network: 'none' };

const engineModule = fileURLToPath(new URL('../../../server/docker/private/engine.ts', import.meta.url));

describe('docker: private engine', function () {
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

  async function start(more: { folder?: string } = {}): Promise<PrivateEngine> {
    const engine = await startPrivateEngine({ folder, dieWithParent: true, ...more });
    started.push(engine);
    names.add(cgroupName(await realpath(more.folder ?? folder)));
    return engine;
  }

  async function hierarchiesWith(cgroup: string): Promise<string[]> {
    const hierarchies: string[] = ['', ...(await readdir('/sys/fs/cgroup'))];
    const found = await Promise.all(
      hierarchies.map((name) => readdir(join('/sys/fs/cgroup', name)).catch((): string[] => [])),
    );
    return hierarchies.filter((_, at) => found[at]?.includes(cgroup));
  }

  it('a second start in the same folder returns the running engine', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    const three = await start();
    expect([two.pid, three.pid]).to.deep.equal([one.pid, one.pid]);
    expect([two.host, three.host]).to.deep.equal([one.host, one.host]);
  });

  it('a private engine stops together with its containers and restarts with its images', async () => {
    const own = await start();
    const engine = createTestEngine(own.host);
    const run = fakePorts();
    const work = engine
      .container(run.ports)(sleeps)
      .catch((error: unknown) => error);
    await run.output.waitForText('ready');
    await own.stop();
    await own.stop();
    expect(await readFile(`/proc/${own.insidePid}/stat`, 'utf8').catch(() => 'gone')).to.satisfy(
      (stat: string) => stat === 'gone' || / Z /.test(stat),
    );
    const again = await start();
    expect(again.pid).to.not.equal(own.pid);
    expect(await work).to.be.instanceOf(WorkLost);
    const fresh = createTestEngine(again.host);
    const [entry] = run.obligations;
    const force = new AbortController().signal;
    // The stopped container of the earlier engine still exists, and its obligation is in the journal.
    expect(
      await fresh.release(entry!.entry, { stop: run.ports.stop, force, pending: Promise.resolve() }),
    ).to.have.property('how');
    expect(await createTestEngine(again.host).listResources()).to.deep.equal([]);
    engine.close();
    fresh.close();
  });

  it('a container waits for its engine, and a cancel ends the wait', async () => {
    const own = await start();
    const engine = createTestEngine(own.host, { limits: { ...defaultLimits, releaseMs: 1_000 } });
    const run = fakePorts({ stop: { signal: 'SIGTERM', graceMs: 100 } });
    const work = engine.container(run.ports)(sleeps);
    await run.output.waitForText('ready');
    process.kill(own.pid, 'SIGKILL');
    await waitUntil('the engine is lost', () => run.events.some(({ type }) => type === 'engine-lost'));
    run.abort();
    expect(await work).to.deep.equal({});
    const receipt = await run.releaseAll({ container: engine.release });
    expect(receipt.clean).to.equal(false);
    expect(receipt.left[0]?.why).to.match(/^distillery-.* may still exist: the Docker engine does not answer$/);
    engine.close();
  });

  it('a private engine works in a folder with a path too long for a socket', async () => {
    const deep = join(folder, 'a'.repeat(120));
    const own = await start({ folder: deep });
    const engine = createTestEngine(own.host);
    expect(await engine.availability()).to.deep.equal({ available: true });
    engine.close();
  });

  for (const dieWithParent of [true, false]) {
    it(
      dieWithParent
        ? 'a private engine ends with the process that started it if dieWithParent is true'
        : 'a private engine outlives the process that started it if dieWithParent is false',
      async () => {
        const program = `
        import { startPrivateEngine } from ${JSON.stringify(engineModule)};
        const { insidePid } = await startPrivateEngine(${JSON.stringify({ folder, dieWithParent })});
        process.stdout.write(insidePid + '\\n');
        setInterval(() => {}, 1000);`;
        const child = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', program], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        const [line] = await once(child.stdout, 'data');
        const pid = Number(String(line));
        const mark = { pid, started: (await readStartTime(pid)) ?? '' };
        child.kill('SIGKILL');
        await once(child, 'exit');
        if (dieWithParent) await waitUntil('the engine ended', async () => !(await isAlive(mark)));
        const found = await start();
        expect(found.insidePid === pid).to.equal(!dieWithParent);
      },
    );
  }

  it('missing programs are reported with the packages to install', async () => {
    const path = process.env['PATH'];
    const { describeMissingPrograms } = await import('../../../server/docker/private/binaries.ts');
    expect(await describeMissingPrograms('/nowhere')).to.match(
      /^a private Docker engine needs dockerd, .*: apt-get install .* docker\.io tini busybox-static iptables iproute2/,
    );
    expect(await describeMissingPrograms(`${path}:/usr/sbin:/sbin`)).to.equal(undefined);
  });
});
