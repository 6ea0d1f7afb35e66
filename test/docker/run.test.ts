// Containers run on a real engine for a run that lives in memory.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { WorkFailed, WorkLost, type ContainerSpec, type Exit } from '../../calls/contract/engines.ts';
import type { Receipt } from '../../protocol/record.ts';
import { connect, type Connection } from '../../server/docker/connect.ts';
import { Demux } from '../../server/docker/demux.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { sharedEngine } from '../helpers/engine.ts';
import { fakePorts, type FakePorts } from '../helpers/ports.ts';
import { failureOf, testEngine } from './setup.ts';

interface Ran {
  readonly exit: Exit;
  readonly run: FakePorts;
  readonly receipt: Receipt;
}

describe('docker run', function () {
  this.timeout(60_000);
  let host: string;
  let engine: DockerEngine;

  before(async () => {
    host = await sharedEngine();
    engine = testEngine(host);
  });

  after(() => engine.close());

  afterEach(async () => {
    expect(await engine.list()).to.deep.equal([]);
  });

  const sh = (script: string, more: Partial<ContainerSpec> = {}): ContainerSpec =>
    ({ image: 'busybox', command: ['sh', '-c', script], network: 'none', ...more });

  async function start(spec: ContainerSpec, prepare: (run: FakePorts) => void = () => {}): Promise<Ran> {
    const run = fakePorts();
    const flow = engine.container(run.ports)(spec);
    prepare(run);
    try {
      const exit = await flow;
      return { exit, run, receipt: await run.releaseWith({ container: engine.release }) };
    } catch (error) {
      await run.releaseWith({ container: engine.release });
      throw error;
    }
  }

  it('passes output on, tells the exit code, and removes the container', async () => {
    const { exit, run, receipt } = await start(sh('echo hello'));
    expect(exit).to.deep.equal({ exitCode: 0 });
    expect(run.output.stdout()).to.equal('hello\n');
    expect(run.output.ended).to.deep.equal({ stdout: true, stderr: true });
    expect(receipt.clean).to.equal(true);
    expect(receipt.released.map(({ kind, id, how }) => ({ kind, id, how }))).to.deep.equal([
      { kind: 'container', id: `distillery-${run.ports.run}`, how: 'exited' },
    ]);
  });

  it('tells its life as events, with the id of the container', async () => {
    const { run } = await start(sh('exit 7'));
    expect(run.events.map(({ type }) => type)).to.deep.equal(['container-created', 'container-started', 'container-exited']);
    expect(run.events[2]?.facts).to.include({ exitCode: 7 });
    expect(run.obligations[0]?.entry.facts['container']).to.equal(run.events[0]?.facts['container']);
  });

  it('journals the name before there is a container', async () => {
    const run = fakePorts();
    const flow = engine.container(run.ports)(sh('true'));
    await run.event('container-created');
    expect(run.obligations[0]?.entry).to.deep.include({ kind: 'container', id: `distillery-${run.ports.run}` });
    await flow;
    await run.releaseWith({ container: engine.release });
  });

  it('tells the exit code of the work, 143 when a signal ended it', async () => {
    expect((await start(sh('exit 42'))).exit).to.deep.equal({ exitCode: 42 });
    expect((await start(sh('kill -TERM $$'))).exit).to.deep.equal({ exitCode: 143 });
  });

  it('leaves it to the work what 127 means', async () => {
    const { exit, run } = await start(sh('nosuch'));
    expect(exit).to.deep.equal({ exitCode: 127 });
    expect(run.output.stderr()).to.equal('sh: nosuch: not found\n');
  });

  it('tells stderr apart from stdout', async () => {
    const { run } = await start(sh('echo out; echo err >&2; echo out again'));
    expect(run.output.stdout()).to.equal('out\nout again\n');
    expect(run.output.stderr()).to.equal('err\n');
  });

  it('passes NUL and broken bytes on', async () => {
    const { run } = await start(sh(String.raw`printf '\000a\377\376\000\n'`));
    expect([...run.output.bytes('stdout')]).to.deep.equal([0, 97, 255, 254, 0, 10]);
  });

  it('passes 20 MiB of input on, and its end', async () => {
    const chunk = Buffer.alloc(64 << 10, 'x');
    const { run } = await start(sh('wc -c'), ({ feed, endInput }) => {
      for (let n = 0; n < 320; n += 1) feed(chunk);
      endInput();
    });
    expect(run.output.stdout().trim()).to.equal(String(20 << 20));
    expect(run.input.takenBytes).to.equal(20 << 20);
  });

  it('answers input while it comes', async () => {
    const { run, exit } = await start(sh('while read line; do echo "got $line"; done'), (run) => {
      run.feed('one\n');
      void run.output.has('got one').then(() => run.feed('two\n')).then(() => run.output.has('got two')).then(() => run.endInput());
    });
    expect(run.output.stdout()).to.equal('got one\ngot two\n');
    expect(exit).to.deep.equal({ exitCode: 0 });
  });

  it('ends although its input does not, and drops what comes later', async () => {
    const { run, exit } = await start(sh('echo done'), ({ feed }) => feed(Buffer.alloc(4 << 20)));
    expect(exit).to.deep.equal({ exitCode: 0 });
    expect(run.input.discarded).to.equal(true);
  });

  it('makes the container wait while the log is behind, and loses nothing', async () => {
    const { run } = await start(sh('head -c 20000000 /dev/zero | tr "\\0" y'), (run) => {
      run.output.hold();
      void run.output.has('y').then(() => {
        expect(run.output.bytes('stdout').length).to.be.below(1 << 20);
        run.output.letGo();
      });
    });
    expect(run.output.bytes('stdout').length).to.equal(20_000_000);
  });

  it('tells when memory ran out', async () => {
    const { exit } = await start(sh('x=xxxxxxxx; while :; do x=$x$x; done', { memoryBytes: 16 << 20 }));
    expect(exit).to.deep.equal({ exitCode: 137, oomKilled: true });
  });

  it('tells that memory ran out although the work went on', async () => {
    const { exit } = await start(sh('sh -c "x=xxxxxxxx; while :; do x=\\$x\\$x; done"; exit 0', { memoryBytes: 16 << 20 }));
    expect(exit).to.deep.equal({ exitCode: 0, oomKilled: true });
  });

  it('gives it environment, user and workdir as told', async () => {
    const { run } = await start(sh('echo "$A"; id -u; id -g; pwd', { env: { A: 'b $(c) "d"' }, user: '1234:5678', workdir: '/home' }));
    expect(run.output.stdout()).to.equal('b $(c) "d"\n1234\n5678\n/home\n');
  });

  it('takes an environment larger than an address may be', async () => {
    const env = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`V${at}`, 'x'.repeat(100_000)]));
    const { run } = await start(sh('env | wc -c', { env }));
    expect(Number(run.output.stdout())).to.be.above(1_200_000);
  });

  it('writes nowhere but to /tmp when read-only', async () => {
    const { run, exit } = await start(sh('touch /tmp/ok && ls /tmp; touch /no', { readOnly: true }));
    expect(run.output.stdout()).to.equal('ok\n');
    expect(run.output.stderr()).to.contain('Read-only file system');
    expect(exit.exitCode).to.equal(1);
  });

  it('has no network but itself when told none, and one by default', async () => {
    expect((await start(sh('ls /sys/class/net'))).run.output.stdout()).to.equal('lo\n');
    const { network: _, ...usual } = sh('ls /sys/class/net');
    expect((await start(usual)).run.output.stdout()).to.equal('eth0\nlo\n');
  });

  it('is held to its limits', async () => {
    const script = `
      cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max
      cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max
      cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max`;
    const { run } = await start(sh(script, { memoryBytes: 32 << 20, pidsMax: 17, cpus: 0.5 }));
    expect(run.output.stdout().trim().split('\n')).to.deep.equal([String(32 << 20), '17', '50000']);
  });

  it('reads and writes the folders it was given, and no more than that', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dk-volume-'));
    try {
      await writeFile(join(folder, 'in'), 'from outside\n');
      const { run } = await start(sh('cat /a/in; echo back > /b/out; touch /a/x', { volumes: [`${folder}:/a:ro`, `${folder}:/b`] }));
      expect(run.output.stdout()).to.equal('from outside\n');
      expect(run.output.stderr()).to.contain('Read-only file system');
      expect(await readFile(join(folder, 'out'), 'utf8')).to.equal('back\n');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('runs several containers for one run, each with a name of its own', async () => {
    const run = fakePorts();
    const start = engine.container(run.ports);
    await Promise.all([start(sh('echo one')), start(sh('echo two'))]);
    const { clean, released } = await run.releaseWith({ container: engine.release });
    expect(clean).to.equal(true);
    expect(released.map(({ id }) => id)).to.have.members([`distillery-${run.ports.run}`, `distillery-${run.ports.run}-2`]);
  });

  describe('when it cannot start', () => {
    const cases: Record<string, { spec: ContainerSpec; message: string | RegExp }> = {
      'no such command': { spec: { image: 'busybox', command: ['nosuch'] }, message: 'cannot start the container: exec nosuch failed: No such file or directory' },
      'a command that is no program': { spec: { image: 'busybox', command: ['/etc/passwd'] }, message: 'cannot start the container: exec /etc/passwd failed: Permission denied' },
      'no such image, which may not be pulled': { spec: { image: 'nosuch:1', pull: 'never' }, message: 'there is no image "nosuch:1" here, and it may not be pulled (pull: never)' },
      'no registry': { spec: { image: '127.0.0.1:1/nosuch:1' }, message: /^cannot pull "127.0.0.1:1\/nosuch:1": .*connection refused/ },
      'a registry that nobody knows': { spec: { image: 'registry.invalid/nosuch:1' }, message: /^cannot pull "registry.invalid\/nosuch:1": .*(no such host|lookup|dial)/ },
      'no such host folder': { spec: sh('true', { volumes: ['/no/such/folder:/a'] }), message: /^cannot create the container: .*bind source path does not exist: \/no\/such\/folder/ },
      'no such network': { spec: sh('true', { network: 'nowhere' }), message: /^cannot (start|create) the container: network nowhere not found/ },
      'no such user': { spec: sh('true', { user: 'ghost' }), message: /^cannot start the container: unable to find user ghost/ },
      'a broken image name': { spec: { image: 'Not An Image' }, message: /^cannot create the container: invalid reference format/ },
    };
    for (const [what, { spec, message }] of Object.entries(cases)) {
      it(`says why: ${what}`, async () => {
        const error = await failureOf(start(spec));
        expect(error).to.be.instanceOf(WorkFailed);
        if (typeof message === 'string') expect(error.message).to.equal(message);
        else expect(error.message).to.match(message);
        expect(error.message).to.not.match(/docker\.sock|HTTP code|overlay2|\.go:\d/);
      });
    }
  });

  it('has no made-up end when somebody else removes it', async () => {
    const run = fakePorts();
    const flow = engine.container(run.ports)(sh('echo ready; exec sleep 60')).catch((error: unknown) => error);
    await run.output.has('ready');
    const reached = await connect(host);
    if ('why' in reached) throw new Error(reached.why);
    await reached.docker.getContainer(String(run.obligations[0]?.entry.facts['container'])).remove({ force: true });
    const end = await flow;
    if (!(end instanceof WorkLost)) expect(end).to.deep.equal({ exitCode: 137 });
    reached.close();
    await run.releaseWith({ container: engine.release });
  });

  describe('and is read again after a crash', () => {
    let raw: Connection;
    before(async () => {
      const reached = await connect(host);
      if ('why' in reached) throw new Error(reached.why);
      raw = reached;
    });
    after(() => raw.close());

    // The gateway counts bytes per stream; that is only worth something when the engine's log holds the same bytes.
    it('has the same bytes in the log of the engine', async () => {
      const run = fakePorts();
      const script = 'head -c 50000 /dev/zero | tr "\\0" x; echo; printf "a\\nb\\n\\n"; echo problem >&2; head -c 16384 /dev/zero | tr "\\0" y; echo';
      await engine.container(run.ports)(sh(script));
      const container = raw.docker.getContainer(String(run.obligations[0]?.entry.facts['container']));
      const log = await container.logs({ stdout: true, stderr: true });
      const pieces = [...new Demux().pieces(log)];
      const kept = (stream: string): Buffer => Buffer.concat(pieces.filter((piece) => piece.stream === stream).map(({ bytes }) => bytes));
      expect(kept('stdout').equals(run.output.bytes('stdout'))).to.equal(true);
      expect(kept('stderr').equals(run.output.bytes('stderr'))).to.equal(true);
      await run.releaseWith({ container: engine.release });
    });
  });
});
