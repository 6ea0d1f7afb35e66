// Runs single containers on a real engine, without a gateway.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type ContainerSpec, type Exit, WorkFailed, WorkLost } from '../../calls/contract/engines.ts';
import type { Receipt } from '../../protocol/run-record.ts';
import { type Connection, connect } from '../../server/docker/connect.ts';
import { Demux } from '../../server/docker/demux.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { createTestEngine, expectRejection } from '../helpers/docker/test-engine.ts';
import { type FakePorts, fakePorts } from '../helpers/runs/fake-run-ports.ts';

interface FinishedRun {
  readonly exit: Exit;
  readonly run: FakePorts;
  readonly receipt: Receipt;
}

describe('docker: running a container', function () {
  this.timeout(60_000);
  let host: string;
  let engine: DockerEngine;

  before(async () => {
    host = await sharedEngineHost();
    engine = createTestEngine(host);
  });

  after(() => engine.close());

  afterEach(async () => {
    expect(await engine.listResources()).to.deep.equal([]);
  });

  const sh = (script: string, more: Partial<ContainerSpec> = {}): ContainerSpec => ({
    image: 'busybox',
    command: ['sh', '-c', script],
    network: 'none',
    ...more,
  });

  async function start(spec: ContainerSpec, prepare: (run: FakePorts) => void = () => {}): Promise<FinishedRun> {
    const run = fakePorts();
    const work = engine.container(run.ports)(spec);
    prepare(run);
    try {
      const exit = await work;
      return { exit, run, receipt: await run.releaseAll({ container: engine.release }) };
    } catch (error) {
      await run.releaseAll({ container: engine.release });
      throw error;
    }
  }

  it("the engine returns a container's output and exit code, and removes the container", async () => {
    const { exit, run, receipt } = await start(sh('echo hello'));
    expect(exit).to.deep.equal({ exitCode: 0 });
    expect(run.output.stdout()).to.equal('hello\n');
    expect(run.output.ended).to.deep.equal({ stdout: true, stderr: true });
    expect(receipt.clean).to.equal(true);
    expect(receipt.released.map(({ kind, id, how }) => ({ kind, id, how }))).to.deep.equal([
      { kind: 'container', id: `distillery-${run.ports.run}`, how: 'exited' },
    ]);
  });

  it("a container's life is reported as events with its id", async () => {
    const { run } = await start(sh('exit 7'));
    expect(run.events.map(({ type }) => type)).to.deep.equal([
      'container-created',
      'container-started',
      'container-exited',
    ]);
    expect(run.events[2]?.facts).to.include({ exitCode: 7 });
    expect(run.obligations[0]?.entry.facts['container']).to.equal(run.events[0]?.facts['container']);
  });

  it('a container is journaled by name before it is created', async () => {
    const run = fakePorts();
    const work = engine.container(run.ports)(sh('true'));
    await run.waitForEvent('container-created');
    expect(run.obligations[0]?.entry).to.deep.include({ kind: 'container', id: `distillery-${run.ports.run}` });
    await work;
    await run.releaseAll({ container: engine.release });
  });

  it('a container returns the exit code of its command, 143 after SIGTERM', async () => {
    expect((await start(sh('exit 42'))).exit).to.deep.equal({ exitCode: 42 });
    expect((await start(sh('kill -TERM $$'))).exit).to.deep.equal({ exitCode: 143 });
  });

  it('a command may itself exit with 127', async () => {
    const { exit, run } = await start(sh('nosuch'));
    expect(exit).to.deep.equal({ exitCode: 127 });
    expect(run.output.stderr()).to.equal('sh: nosuch: not found\n');
  });

  it('stdout and stderr of a container are separate', async () => {
    const { run } = await start(sh('echo out; echo err >&2; echo out again'));
    expect(run.output.stdout()).to.equal('out\nout again\n');
    expect(run.output.stderr()).to.equal('err\n');
  });

  it('output with NUL bytes and invalid UTF-8 reaches the log unchanged', async () => {
    const { run } = await start(sh(String.raw`printf '\000a\377\376\000\n'`));
    expect([...run.output.bytes('stdout')]).to.deep.equal([0, 97, 255, 254, 0, 10]);
  });

  it('a container receives 20 MiB of input and then the end of input', async () => {
    const chunk = Buffer.alloc(64 << 10, 'x');
    const { run } = await start(sh('wc -c'), ({ sendInput, endInput }) => {
      for (let n = 0; n < 320; n += 1) sendInput(chunk);
      endInput();
    });
    expect(run.output.stdout().trim()).to.equal(String(20 << 20));
    expect(run.input.takenBytes).to.equal(20 << 20);
  });

  it('a container can answer one line of input before the next one arrives', async () => {
    const { run, exit } = await start(sh('while read line; do echo "got $line"; done'), (started) => {
      started.sendInput('one\n');
      void started.output
        .waitForText('got one')
        .then(() => started.sendInput('two\n'))
        .then(() => started.output.waitForText('got two'))
        .then(() => started.endInput());
    });
    expect(run.output.stdout()).to.equal('got one\ngot two\n');
    expect(exit).to.deep.equal({ exitCode: 0 });
  });

  it('a container can exit while its input stays open; later input is discarded', async () => {
    const { run, exit } = await start(sh('echo done'), ({ sendInput }) => sendInput(Buffer.alloc(4 << 20)));
    expect(exit).to.deep.equal({ exitCode: 0 });
    expect(run.input.discarded).to.equal(true);
  });

  it('a container waits while the log accepts no output, and no output is lost', async () => {
    const { run } = await start(sh('head -c 20000000 /dev/zero | tr "\\0" y'), ({ output }) => {
      output.block();
      void output.waitForText('y').then(() => {
        expect(output.bytes('stdout').length).to.be.below(1 << 20);
        output.unblock();
      });
    });
    expect(run.output.bytes('stdout').length).to.equal(20_000_000);
  });

  it('a container killed for lack of memory is reported as out of memory', async () => {
    const { exit } = await start(sh('x=xxxxxxxx; while :; do x=$x$x; done', { memoryBytes: 16 << 20 }));
    expect(exit).to.deep.equal({ exitCode: 137, oomKilled: true });
  });

  it('P5: a container with a memory limit that ends itself by SIGKILL returns its exit code at once', async () => {
    const run = fakePorts();
    const work = engine.container(run.ports)({ ...sh('echo ready; kill -9 $$'), memoryBytes: 64 << 20 });
    await run.output.waitForText('ready');
    const order: string[] = [];
    // The container takes about 0.1 s to end. A result after 1.5 s means that the run waited for something else.
    const late = setTimeout(() => order.push('late'), 1_500);
    expect(await work).to.deep.equal({ exitCode: 137 });
    order.push('result');
    clearTimeout(late);
    expect(order).to.deep.equal(['result']);
    await run.releaseAll({ container: engine.release });
  });

  it('a container that survives a lack of memory is reported as out of memory', async () => {
    const { exit } = await start(
      sh('sh -c "x=xxxxxxxx; while :; do x=\\$x\\$x; done"; exit 0', { memoryBytes: 16 << 20 }),
    );
    expect(exit).to.deep.equal({ exitCode: 0, oomKilled: true });
  });

  it('a container gets the environment, user and workdir of its spec', async () => {
    const { run } = await start(
      sh('echo "$A"; id -u; id -g; pwd', { env: { A: 'b $(c) "d"' }, user: '1234:5678', workdir: '/home' }),
    );
    expect(run.output.stdout()).to.equal('b $(c) "d"\n1234\n5678\n/home\n');
  });

  it('a container can have an environment of 1.2 MB, which would not fit into a URL', async () => {
    const env = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`V${at}`, 'x'.repeat(100_000)]));
    const { run } = await start(sh('env | wc -c', { env }));
    expect(Number(run.output.stdout())).to.be.above(1_200_000);
  });

  it('a read-only container can write only to /tmp', async () => {
    const { run, exit } = await start(sh('touch /tmp/ok && ls /tmp; touch /no', { readOnly: true }));
    expect(run.output.stdout()).to.equal('ok\n');
    expect(run.output.stderr()).to.contain('Read-only file system');
    expect(exit.exitCode).to.equal(1);
  });

  it('a container without a network has only the loopback device; by default, it has one more device', async () => {
    expect((await start(sh('ls /sys/class/net'))).run.output.stdout()).to.equal('lo\n');
    const { network: _, ...usual } = sh('ls /sys/class/net');
    expect((await start(usual)).run.output.stdout()).to.equal('eth0\nlo\n');
  });

  it('a container runs with its limits for memory, processes and CPU time', async () => {
    const script = `
      cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max
      cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max
      cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max`;
    const { run } = await start(sh(script, { memoryBytes: 32 << 20, pidsMax: 17, cpus: 0.5 }));
    expect(run.output.stdout().trim().split('\n')).to.deep.equal([String(32 << 20), '17', '50000']);
  });

  it('a container can use its volumes, and write only to the writable ones', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dk-volume-'));
    try {
      await writeFile(join(folder, 'in'), 'from outside\n');
      const { run } = await start(
        sh('cat /a/in; echo back > /b/out; touch /a/x', { volumes: [`${folder}:/a:ro`, `${folder}:/b`] }),
      );
      expect(run.output.stdout()).to.equal('from outside\n');
      expect(run.output.stderr()).to.contain('Read-only file system');
      expect(await readFile(join(folder, 'out'), 'utf8')).to.equal('back\n');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('several containers of a run have different names', async () => {
    const run = fakePorts();
    const startContainer = engine.container(run.ports);
    await Promise.all([startContainer(sh('echo one')), startContainer(sh('echo two'))]);
    const { clean, released } = await run.releaseAll({ container: engine.release });
    expect(clean).to.equal(true);
    expect(released.map(({ id }) => id)).to.have.members([
      `distillery-${run.ports.run}`,
      `distillery-${run.ports.run}-2`,
    ]);
  });

  describe('a container that cannot start', () => {
    const cases: Record<string, { spec: ContainerSpec; message: string | RegExp }> = {
      'no such command': {
        spec: { image: 'busybox', command: ['nosuch'] },
        message: 'cannot start the container: exec nosuch failed: No such file or directory',
      },
      'a command that is not executable': {
        spec: { image: 'busybox', command: ['/etc/passwd'] },
        message: 'cannot start the container: exec /etc/passwd failed: Permission denied',
      },
      'no such image, with pull: never': {
        spec: { image: 'nosuch:1', pull: 'never' },
        message: 'the Docker engine has no image "nosuch:1", and "pull: never" forbids pulling it',
      },
      'no registry at this address': {
        spec: { image: '127.0.0.1:1/nosuch:1' },
        message: /^cannot pull "127.0.0.1:1\/nosuch:1": .*connection refused/,
      },
      'an unknown registry host': {
        spec: { image: 'registry.invalid/nosuch:1' },
        message: /^cannot pull "registry.invalid\/nosuch:1": .*(no such host|lookup|dial)/,
      },
      'no such host folder': {
        spec: sh('true', { volumes: ['/no/such/folder:/a'] }),
        message: /^cannot create the container: .*bind source path does not exist: \/no\/such\/folder/,
      },
      'no such network': {
        spec: sh('true', { network: 'nowhere' }),
        message: /^cannot (start|create) the container: network nowhere not found/,
      },
      'no such user': {
        spec: sh('true', { user: 'ghost' }),
        message: /^cannot start the container: unable to find user ghost/,
      },
      'L9: an empty image name': { spec: { image: '' }, message: 'the name of the image is empty' },
      'L9: a blank image name': { spec: { image: ' \n' }, message: 'the name of the image is empty' },
      'L9: an image name with white space': {
        spec: { image: 'Not An Image' },
        message: 'the name of the image has white space: "Not An Image"',
      },
      'an invalid image name': {
        spec: { image: 'Not-An-Image' },
        message: /^cannot create the container: invalid reference format/,
      },
    };
    for (const [what, { spec, message }] of Object.entries(cases)) {
      it(`a container that cannot start reports the reason: ${what}`, async () => {
        const error = await expectRejection(start(spec));
        expect(error).to.be.instanceOf(WorkFailed);
        if (typeof message === 'string') expect(error.message).to.equal(message);
        else expect(error.message).to.match(message);
        expect(error.message).to.not.match(/docker\.sock|HTTP code|overlay2|\.go:\d/);
      });
    }
  });

  it('a container removed by another program is reported as lost, without an exit code', async () => {
    const run = fakePorts();
    const work = engine
      .container(run.ports)(sh('echo ready; exec sleep 60'))
      .catch((error: unknown) => error);
    await run.output.waitForText('ready');
    const reached = await connect(host);
    if ('why' in reached) throw new Error(reached.why);
    await reached.docker.getContainer(String(run.obligations[0]?.entry.facts['container'])).remove({ force: true });
    const end = await work;
    if (!(end instanceof WorkLost)) expect(end).to.deep.equal({ exitCode: 137 });
    reached.close();
    await run.releaseAll({ container: engine.release });
  });

  describe("the engine's log of a container", () => {
    let raw: Connection;
    before(async () => {
      const reached = await connect(host);
      if ('why' in reached) throw new Error(reached.why);
      raw = reached;
    });
    after(() => raw.close());

    // The gateway resumes output at a number of bytes, so both logs must hold the same bytes.
    it("the engine's log holds the same bytes as the run's log", async () => {
      const run = fakePorts();
      const script =
        'head -c 50000 /dev/zero | tr "\\0" x; echo; printf "a\\nb\\n\\n"; echo problem >&2; ' +
        'head -c 16384 /dev/zero | tr "\\0" y; echo';
      await engine.container(run.ports)(sh(script));
      const container = raw.docker.getContainer(String(run.obligations[0]?.entry.facts['container']));
      const log = await container.logs({ stdout: true, stderr: true });
      const pieces = [...new Demux().decode(log)];
      const kept = (stream: string): Buffer =>
        Buffer.concat(pieces.filter((piece) => piece.stream === stream).map(({ bytes }) => bytes));
      expect(kept('stdout').equals(run.output.bytes('stdout'))).to.equal(true);
      expect(kept('stderr').equals(run.output.bytes('stderr'))).to.equal(true);
      await run.releaseAll({ container: engine.release });
    });
  });
});
