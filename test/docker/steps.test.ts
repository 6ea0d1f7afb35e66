// Containers of a run that is made of several: created, started, looked into and removed one by one, on a real engine.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { StepContainer, StepSpec } from '../../calls/contract/containers.ts';
import { WorkFailed, WorkLost, type Exit } from '../../calls/contract/engines.ts';
import type { Connection } from '../../server/docker/connect.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { engineNetwork, sharedEngine } from '../helpers/engine.ts';
import { soon, until } from '../helpers/until.ts';
import { failureOf, testEngine } from './setup.ts';
import { archiveOf, rawEngine, releasersOf, stepRun, type StepRun } from './steps-setup.ts';

describe('docker steps', function () {
  this.timeout(60_000);
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

  interface Ran {
    readonly it: StepRun;
    readonly step: StepContainer;
    readonly exit: Exit;
  }

  async function ran(script: string, more: Partial<StepSpec> = {}): Promise<Ran> {
    const it = await stepRun(engine);
    const step = await it.steps.create(it.sh(script, more));
    try {
      const { ended } = await step.start(it.run.output);
      return { it, step, exit: await ended };
    } finally {
      await step.remove();
    }
  }

  const inspect = async (step: StepContainer) => raw.docker.getContainer(step.id).inspect();

  describe('a container', () => {
    it('passes its output on, tells its exit code, and is removed', async () => {
      const { it, step, exit } = await ran('echo out; echo err >&2; exit 3');
      expect(exit).to.deep.equal({ exitCode: 3 });
      expect(it.run.output.stdout()).to.equal('out\n');
      expect(it.run.output.stderr()).to.equal('err\n');
      expect(await step.remove()).to.deep.equal({ how: 'exited' });
    });

    it('leaves it to the caller where a stream of output ends', async () => {
      const { it } = await ran('printf "half a line"');
      expect(it.run.output.stdout()).to.equal('half a line');
      expect(it.run.output.ended).to.deep.equal({ stdout: false, stderr: false });
    });

    it('is journaled under its name, with its engine, before it is there', async () => {
      const it = await stepRun(engine);
      const spec = it.sh('true');
      const creating = it.steps.create(spec);
      expect(it.run.obligations.map(({ entry }) => entry)).to.deep.equal([{ run: it.run.ports.run, kind: 'container', id: spec.name, facts: { host: raw.host } }]);
      const step = await creating;
      expect(it.run.obligations[0]?.entry.facts['container']).to.equal(step.id);
      expect(step.name).to.equal(spec.name);
      await step.remove();
    });

    it('is labelled with its run, its gateway and its job, and keeps none of its output in the engine', async () => {
      const it = await stepRun(engine);
      const step = await it.steps.create(it.sh('true', { job: 'build all' }));
      const { Config, HostConfig } = await inspect(step);
      expect(Config.Labels).to.include({ 'distillery.run': it.run.ports.run, 'distillery.job': 'build all' });
      expect(Config.Labels['distillery.gateway']).to.match(/^test-/);
      expect(HostConfig.LogConfig?.Type).to.equal('none');
      expect(HostConfig.Init).to.equal(true);
      await step.remove();
    });

    it('tells nothing in the log of the run', async () => {
      const { it } = await ran('echo hello');
      expect(it.run.events).to.deep.equal([]);
      expect(it.run.input.discarded).to.equal(false);
    });

    it('sees the end of its input at once', async () => {
      const { it, exit } = await ran('cat; echo "read to the end"');
      expect(exit).to.deep.equal({ exitCode: 0 });
      expect(it.run.output.stdout()).to.equal('read to the end\n');
    });

    it('shows its first line while it goes on', async () => {
      const it = await stepRun(engine);
      const step = await it.steps.create(it.sh('echo first; exec sleep 60'));
      const { ended } = await step.start(it.run.output);
      await it.run.output.has('first\n');
      expect(await step.health()).to.equal('healthy');
      await step.remove();
      expect(await ended).to.deep.equal({});
    });

    it('passes 20 MB on without a gap, waiting while the log is behind', async () => {
      const it = await stepRun(engine);
      const step = await it.steps.create(it.sh('head -c 20000000 /dev/zero | tr "\\0" y'));
      it.run.output.hold();
      const { ended } = await step.start(it.run.output);
      await it.run.output.has('y');
      expect(it.run.output.bytes('stdout').length).to.be.below(1 << 20);
      it.run.output.letGo();
      expect(await ended).to.deep.equal({ exitCode: 0 });
      expect(it.run.output.bytes('stdout').length).to.equal(20_000_000);
      await step.remove();
    });

    it('loses nothing at its end, often', async () => {
      for (let n = 0; n < 10; n += 1) {
        const { it } = await ran('seq 1 2000');
        expect(it.run.output.stdout().split('\n')).to.have.length(2001);
      }
    });

    it('tells the exit code of one that a signal ended', async () => {
      expect((await ran('kill -TERM $$')).exit).to.deep.equal({ exitCode: 143 });
    });

    it('tells when memory ran out, in it or in a child of it', async () => {
      expect((await ran('x=xxxxxxxx; while :; do x=$x$x; done', { memoryBytes: 16 << 20 })).exit).to.deep.equal({ exitCode: 137, oomKilled: true });
      const child = await ran('sh -c "x=xxxxxxxx; while :; do x=\\$x\\$x; done"; exit 0', { memoryBytes: 16 << 20 });
      expect(child.exit).to.deep.equal({ exitCode: 0, oomKilled: true });
    });

    it('has the environment, the user and the working folder it was given', async () => {
      const { it } = await ran('echo "$A"; id -u; id -g; pwd', { env: { A: 'b $(c) "d"' }, user: '1234:5678', workdir: '/made/for it' });
      expect(it.run.output.stdout()).to.equal('b $(c) "d"\n1234\n5678\n/made/for it\n');
    });

    it('runs its own entrypoint instead of the one of the image', async () => {
      const { it } = await ran('', { entrypoint: ['/bin/echo', 'from'], command: ['elsewhere'] });
      expect(it.run.output.stdout()).to.equal('from elsewhere\n');
    });

    it('is lost when somebody else removes it', async () => {
      const it = await stepRun(engine);
      const step = await it.steps.create(it.sh('echo ready; exec sleep 60'));
      const { ended } = await step.start(it.run.output);
      const end = ended.catch((error: unknown) => error);
      await it.run.output.has('ready');
      await raw.docker.getContainer(step.id).remove({ force: true });
      const found = await end;
      if (!(found instanceof WorkLost)) expect(found).to.deep.equal({ exitCode: 137 });
      expect(await step.health()).to.equal('gone');
      await step.remove();
    });
  });

  describe('what cannot be created', () => {
    const cases: Record<string, { more: Partial<StepSpec>; message: string | RegExp }> = {
      'no such image': { more: { image: 'nosuch:1' }, message: 'there is no image "nosuch:1" here' },
      'a name that is none': { more: { name: 'a b' }, message: /^cannot create the container: Invalid container name \(a b\)/ },
      'no such host folder': { more: { volumes: ['/no/such/folder:/a'] }, message: /^cannot create the container: .*bind source path does not exist: \/no\/such\/folder/ },
      'a volume that is none': { more: { volumes: ['zz'] }, message: /^"zz" is no volume/ },
    };
    for (const [what, { more, message }] of Object.entries(cases)) {
      it(`says why: ${what}`, async () => {
        const it = await stepRun(engine);
        const error = await failureOf(it.steps.create(it.sh('true', more)));
        expect(error).to.be.instanceOf(WorkFailed);
        if (typeof message === 'string') expect(error.message).to.equal(message);
        else expect(error.message).to.match(message);
        const receipt = await it.run.releaseWith(releasersOf(engine));
        expect(receipt.released.map(({ how }) => how)).to.deep.equal(['never created']);
      });
    }

    it('says why: a name that is taken, by its own run or by another', async () => {
      const [one, other] = [await stepRun(engine), await stepRun(engine)];
      const spec = one.sh('true');
      const step = await one.steps.create(spec);
      const message = `cannot create the container: the name "${spec.name}" is taken by another one`;
      for (const { steps } of [one, other]) {
        const error = await failureOf(steps.create(spec));
        expect(error).to.be.instanceOf(WorkFailed);
        expect(error.message).to.equal(message);
      }
      expect((await inspect(step)).State.Status).to.equal('created');
      await step.remove();
      // It is free again.
      await (await one.steps.create(spec)).remove();
    });
  });

  describe('what cannot be started', () => {
    it('says why: a user that the image does not know', async () => {
      const it = await stepRun(engine);
      const step = await it.steps.create(it.sh('true', { user: 'ghost' }));
      const error = await failureOf(step.start(it.run.output));
      expect(error).to.be.instanceOf(WorkFailed);
      expect(error.message).to.match(/^cannot start the container: unable to find user ghost/);
      expect(await step.remove()).to.deep.equal({ how: 'removed' });
    });

    it('says why: a network that is not there', async () => {
      const it = await stepRun(engine);
      const step = await it.steps.create(it.sh('true', { network: 'nowhere' }));
      expect((await failureOf(step.start(it.run.output))).message).to.equal('cannot start the container: network nowhere not found');
      await step.remove();
    });

    it('says why: a command that is not there', async () => {
      const it = await stepRun(engine);
      const step = await it.steps.create(it.sh('', { command: ['nosuch'] }));
      const { ended } = await step.start(it.run.output);
      const error = await failureOf(ended);
      expect(error).to.be.instanceOf(WorkFailed);
      expect(error.message).to.equal('cannot start the container: exec nosuch failed: No such file or directory');
      await step.remove();
    });

    it('says why: a port that another one has', async () => {
      const it = await stepRun(engine);
      const wanting = (hostPort: number) => it.steps.create(it.sh('exec sleep 60', { name: it.name(), network: 'bridge', ports: [{ hostIp: '127.0.0.1', hostPort, containerPort: 80 }] }));
      const first = await wanting(0);
      await first.start(it.run.output);
      const port = Number((await inspect(first)).NetworkSettings.Ports['80/tcp']?.[0]?.HostPort);
      const second = await wanting(port);
      const error = await failureOf(second.start(it.run.output));
      expect(error).to.be.instanceOf(WorkFailed);
      expect(error.message).to.equal(`cannot start the container: port 127.0.0.1:${port} is in use already`);
      await Promise.all([first.remove(), second.remove()]);
    });
  });

  describe('a command in it', () => {
    const keeper = 'trap "exit 0" TERM; echo up; while :; do sleep 0.1; done';

    async function up(more: Partial<StepSpec> = {}): Promise<{ it: StepRun; step: StepContainer; ended: Promise<Exit> }> {
      const it = await stepRun(engine);
      const step = await it.steps.create(it.sh(keeper, more));
      const { ended } = await step.start(it.run.output);
      await it.run.output.has('up');
      return { it, step, ended };
    }

    it('has its own output and exit code, no input, and its folder', async () => {
      const { it, step } = await up({ workdir: '/tmp' });
      const output = it.run.output;
      expect(await step.exec(['sh', '-c', 'pwd; cat; echo problem >&2; exit 7'], { output })).to.deep.equal({ exitCode: 7 });
      expect(await step.exec(['pwd'], { output, workdir: '/etc' })).to.deep.equal({ exitCode: 0 });
      expect(output.stdout()).to.equal('up\n/tmp\n/etc\n');
      expect(output.stderr()).to.equal('problem\n');
      await step.remove();
    });

    it('runs as the user of the container, with its environment', async () => {
      const { it, step } = await up({ user: '1234:5678', env: { A: 'b' } });
      await step.exec(['sh', '-c', 'id -u; id -g; echo $A'], { output: it.run.output });
      expect(it.run.output.stdout()).to.equal('up\n1234\n5678\nb\n');
      await step.remove();
    });

    it('passes 20 MB on without a gap', async () => {
      const { it, step } = await up();
      const before = it.run.output.bytes('stdout').length;
      await step.exec(['sh', '-c', 'head -c 20000000 /dev/zero | tr "\\0" z'], { output: it.run.output });
      expect(it.run.output.bytes('stdout').length - before).to.equal(20_000_000);
      await step.remove();
    });

    it('says why when it is not there, or cannot be run', async () => {
      const { it, step } = await up();
      const reasons: Record<string, RegExp> = { nosuch: /executable file not found in \$PATH$/, '/etc/passwd': /permission denied$/ };
      for (const [word, reason] of Object.entries(reasons)) {
        const error = await failureOf(step.exec([word], { output: it.run.output }));
        expect(error).to.be.instanceOf(WorkFailed);
        expect(error.message).to.match(/^cannot run the command in the container: exec: /).and.match(reason);
      }
      // The work's own.
      expect(await step.exec(['sh', '-c', 'nosuch'], { output: it.run.output })).to.deep.equal({ exitCode: 127 });
      await step.remove();
    });

    it('ends when the container ends by itself', async () => {
      const it = await stepRun(engine);
      const step = await it.steps.create(it.sh('while [ ! -e /tmp/go ]; do sleep 0.05; done'));
      const { ended } = await step.start(it.run.output);
      const exit = step.exec(['sh', '-c', 'echo there; touch /tmp/go; sleep 60'], { output: it.run.output }).catch((error: unknown) => error);
      expect(await ended).to.deep.equal({ exitCode: 0 });
      const end = await exit;
      if (!(end instanceof WorkLost)) expect(end).to.deep.equal({ exitCode: 137 });
      expect(it.run.output.stdout()).to.equal('there\n');
      const error = await failureOf(step.exec(['true'], { output: it.run.output }));
      expect(error.message).to.match(/^cannot run the command in the container: .*is not running$/);
      await step.remove();
    });

    it('ends, and so does the container, when that is removed', async () => {
      const { it, step, ended } = await up();
      const exit = step.exec(['sh', '-c', 'echo there; sleep 60'], { output: it.run.output });
      await it.run.output.has('there');
      expect(await step.remove()).to.deep.equal({ how: 'SIGKILL' });
      expect(await Promise.all([ended, exit])).to.deep.equal([{}, {}]);
      expect(await step.exec(['true'], { output: it.run.output })).to.deep.equal({});
    });
  });

  describe('health', () => {
    const health = { intervalMs: 100, timeoutMs: 2_000, retries: 2, startMs: 0 };

    async function healthOf(command: string, wanted: string): Promise<void> {
      const it = await stepRun(engine);
      const step = await it.steps.create(it.sh('exec sleep 60', { health: { ...health, command } }));
      expect(await step.health()).to.equal('gone');
      await step.start(it.run.output);
      expect(await step.health()).to.be.oneOf(['starting', wanted]);
      await until(`it is ${wanted}`, async () => (await step.health()) === wanted, 20_000);
      await step.remove();
      expect(await step.health()).to.equal('gone');
    }

    it('is healthy when its check passes', () => healthOf('test -d /etc', 'healthy'));
    it('is unhealthy when its check fails too often', () => healthOf('exit 1', 'unhealthy'));

    it('is gone when it has ended', async () => {
      const it = await stepRun(engine);
      const step = await it.steps.create(it.sh('exit 0', { health: { ...health, command: 'true' } }));
      await (await step.start(it.run.output)).ended;
      expect(await step.health()).to.equal('gone');
      await step.remove();
    });
  });

  describe('removal', () => {
    it('is quick for one that does not listen to signals, and the same when asked for twice', async () => {
      const it = await stepRun(engine, { stop: { signal: 'SIGTERM', graceMs: 60_000 } });
      const step = await it.steps.create(it.sh('trap "" TERM; echo ready; while :; do sleep 0.1; done'));
      const { ended } = await step.start(it.run.output);
      await it.run.output.has('ready');
      const removal = step.remove();
      expect(step.remove()).to.equal(removal);
      expect(await soon('it is removed', removal, 5_000)).to.deep.equal({ how: 'SIGKILL' });
      expect(await ended).to.deep.equal({});
      expect(await raw.docker.listContainers({ all: true, filters: { name: [step.name] } })).to.deep.equal([]);
    });

    it('waits for no output of a log that is behind', async () => {
      const it = await stepRun(engine, { stop: { signal: 'SIGTERM', graceMs: 60_000 } });
      const step = await it.steps.create(it.sh('yes'));
      it.run.output.hold();
      const { ended } = await step.start(it.run.output);
      await it.run.output.has('y');
      expect(await soon('it is removed', step.remove(), 5_000)).to.deep.equal({ how: 'SIGKILL' });
      expect(await ended).to.deep.equal({});
      it.run.output.letGo();
    });

    it('takes the anonymous volumes along', async () => {
      const it = await stepRun(engine);
      await it.steps.build({
        tag: 'with-volume', dockerfile: 'Dockerfile', signal: it.run.ports.signal, output: it.run.output,
        context: archiveOf([{ name: 'Dockerfile', text: 'FROM busybox\nVOLUME /data\n' }]),
      });
      const step = await it.steps.create(it.sh('echo kept > /data/file', { image: 'with-volume' }));
      await (await step.start(it.run.output)).ended;
      const volume = (await inspect(step)).Mounts[0]?.Name ?? '';
      await step.remove();
      const { Volumes } = await raw.docker.listVolumes();
      expect(Volumes.map(({ Name }) => Name)).to.not.include(volume);
      await raw.docker.getImage('with-volume').remove();
    });

    it('asks it to stop first, when told to stop', async () => {
      const it = await stepRun(engine, { stop: { signal: 'SIGINT', graceMs: 20_000 } });
      const step = await it.steps.create(it.sh('trap "echo bye; exit 5" INT; echo ready; while :; do sleep 0.1; done'));
      const { ended } = await step.start(it.run.output);
      await it.run.output.has('ready');
      expect(await step.stop()).to.deep.equal({ how: 'SIGINT' });
      expect(await ended).to.deep.equal({});
      expect(it.run.output.stdout()).to.equal('ready\nbye\n');
      expect(await step.remove()).to.deep.equal({ how: 'SIGINT' });
    });

    it('cuts a stop short', async () => {
      const it = await stepRun(engine, { stop: { signal: 'SIGTERM', graceMs: 60_000 } });
      const step = await it.steps.create(it.sh('trap "echo asked" TERM; echo ready; while :; do sleep 0.1; done'));
      await step.start(it.run.output);
      await it.run.output.has('ready');
      const stopped = step.stop();
      await it.run.output.has('asked');
      await soon('it is removed', step.remove(), 5_000);
      expect(await stopped).to.have.property('how');
    });

    it('starts nothing any more, and says so of files', async () => {
      const it = await stepRun(engine);
      const step = await it.steps.create(it.sh('true'));
      await step.remove();
      const { ended } = await step.start(it.run.output);
      expect(await ended).to.deep.equal({});
      expect((await failureOf(step.get('/etc'))).message).to.equal('cannot get "/etc": the container is to end');
    });
  });

  describe('ports', () => {
    it('are reachable on the machine of the engine, one by several', async () => {
      const it = await stepRun(engine);
      // 0: whichever is free.
      const ports = [80, 80, 81].map((containerPort) => ({ hostIp: '127.0.0.1', hostPort: 0, containerPort }));
      const step = await it.steps.create(it.sh('while :; do echo hello | nc -l -p 80; done', { network: 'bridge', ports }));
      await step.start(it.run.output);
      const { Ports } = (await inspect(step)).NetworkSettings;
      expect(Ports['81/tcp']).to.have.length(1);
      expect(Ports['80/tcp']).to.have.length(2);
      for (const { HostPort } of Ports['80/tcp'] ?? []) await until('it answers', async () => (await answerAt(HostPort)) === 'hello\n');
      await step.remove();
    });
  });

  describe('networks', () => {
    it('let containers of a run find each other by their aliases', async () => {
      const it = await stepRun(engine);
      const network = await it.steps.network('back end');
      expect(await it.steps.network('back end')).to.equal(network);
      const server = await it.steps.create(it.sh('echo listening; echo hello | nc -l -p 80', { network, aliases: ['db', 'database'] }));
      await server.start(it.run.output);
      await it.run.output.has('listening');
      const client = await it.steps.create(it.sh('until nc database 80 </dev/null | grep hello; do sleep 0.05; done; ping -c 1 db >/dev/null', { name: it.name('client'), network }));
      expect(await (await client.start(it.run.output)).ended).to.deep.equal({ exitCode: 0 });
      expect(it.run.output.stdout()).to.contain('hello\n');
      const receipt = await it.run.releaseWith(releasersOf(engine));
      expect(receipt.clean).to.equal(true);
      expect(receipt.released.map(({ kind }) => kind)).to.deep.equal(['container', 'container', 'network']);
      expect(receipt.released.at(-1)?.how).to.equal('removed');
    });

    it('carry the labels of the run, and are told apart though their names are hard to spell', async () => {
      const it = await stepRun(engine);
      const names = await Promise.all(['a b', 'a_b', 'a/b', 'ä', 'x'.repeat(300)].map((name) => it.steps.network(name)));
      expect(new Set(names).size).to.equal(5);
      for (const name of names) expect(name).to.match(/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/);
      const { Labels } = await raw.docker.getNetwork(names[0]!).inspect();
      expect(Labels).to.have.all.keys('distillery.run', 'distillery.gateway');
      await it.run.releaseWith(releasersOf(engine));
    });

    it('are not made for a run that is to stop', async () => {
      const it = await stepRun(engine);
      it.run.abort();
      expect((await failureOf(it.steps.network('n'))).message).to.equal('cannot make the network "n": the run is to stop');
      expect((await failureOf(it.steps.create(it.sh('true')))).message).to.equal('cannot create the container: the run is to stop');
      expect(it.run.obligations).to.deep.equal([]);
    });
  });

  describe('volumes', () => {
    it('hand files from one container of the run to the next, and go with it', async () => {
      const it = await stepRun(engine);
      const volume = await it.steps.volume('data');
      expect(await it.steps.volume('data')).to.equal(volume);
      for (const script of ['echo kept > /data/file', 'cat /data/file']) {
        const step = await it.steps.create(it.sh(script, { name: it.name(), volumes: [`${volume}:/data`] }));
        await (await step.start(it.run.output)).ended;
        await step.remove();
      }
      expect(it.run.output.stdout()).to.equal('kept\n');
      expect(await engine.list()).to.deep.equal([volume]);
      await it.run.releaseWith(releasersOf(engine));
    });

    it('are several in one container, each where it belongs', async () => {
      const it = await stepRun(engine);
      const [a, b] = await Promise.all([it.steps.volume('a'), it.steps.volume('b')]);
      const step = await it.steps.create(it.sh('touch /a/x /b/x; ls /a /b', { volumes: [`${a}:/a`, `${b}:/b:ro`] }));
      expect((await (await step.start(it.run.output)).ended).exitCode).to.equal(0);
      expect(it.run.output.stderr()).to.contain('Read-only file system');
      await step.remove();
      await it.run.releaseWith(releasersOf(engine));
    });

    it('belong to the user of the container that first has them', async () => {
      const it = await stepRun(engine);
      const volume = await it.steps.volume('data');
      const step = await it.steps.create(it.sh('touch /data/file && stat -c "%u:%g" /data', { user: '1234:5678', volumes: [`${volume}:/data`] }));
      expect(await (await step.start(it.run.output)).ended).to.deep.equal({ exitCode: 0 });
      expect(it.run.output.stdout()).to.equal('1234:5678\n');
      await step.remove();
      await it.run.releaseWith(releasersOf(engine));
    });

    it('stay when they are caches: the next run of the gateway finds what is in them', async () => {
      let name = '';
      for (const script of ['echo warm > /c/file', 'cat /c/file']) {
        const it = await stepRun(engine);
        name = await it.steps.cache('npm');
        const step = await it.steps.create(it.sh(script, { volumes: [`${name}:/c`] }));
        await (await step.start(it.run.output)).ended;
        await step.remove();
        const receipt = await it.run.releaseWith(releasersOf(engine));
        expect(receipt.released.map(({ kind }) => kind)).to.deep.equal(['container']);
        if (script.startsWith('cat')) expect(it.run.output.stdout()).to.equal('warm\n');
      }
      expect(name).to.match(/^distillery-cache-test-.*-npm$/);
      const volume = await raw.docker.getVolume(name).inspect();
      expect(volume.Labels).to.include({ 'distillery.cache': 'npm' });
      await raw.docker.getVolume(name).remove();
    });
  });

  describe('another engine', () => {
    it('is used when it is named', async () => {
      const nowhere = testEngine('unix:///no/such/engine.sock');
      const it = await stepRun(engine);
      const steps = await nowhere.steps(it.run.ports, { host: raw.host });
      const step = await steps.create(it.sh('echo here'));
      await (await step.start(it.run.output)).ended;
      expect(it.run.output.stdout()).to.equal('here\n');
      expect(it.run.obligations[0]?.entry.facts['host']).to.equal(raw.host);
      await step.remove();
      nowhere.close();
    });

    it('is told when it does not answer, with its address; the usual one without', async () => {
      const it = await stepRun(engine);
      const error = await failureOf(engine.steps(it.run.ports, { host: 'tcp://127.0.0.1:1' }));
      expect(error).to.be.instanceOf(WorkFailed);
      expect(error.message).to.equal('no Docker engine answers: tcp://127.0.0.1:1: nobody listens there');
      expect((await failureOf(engine.steps(it.run.ports, { host: 'ssh://host' }))).message).to.equal(
        'no Docker engine answers: "ssh://host" is no address of a Docker engine; write unix:///path or tcp://host:port');
      const nowhere = testEngine('unix:///no/such/engine.sock');
      expect((await failureOf(nowhere.steps(it.run.ports))).message).to.equal('no Docker engine answers: start one, or name it in distillery.yaml as docker.host');
      nowhere.close();
    });
  });
});

/** What a port of the engine's machine says, `''` when nothing. */
async function answerAt(port: string): Promise<string> {
  const network = engineNetwork();
  const ask = ['/bin/busybox', 'nc', '-w', '1', '127.0.0.1', port];
  const [program, ...args] = network === undefined ? ask : ['nsenter', `--net=${network}`, ...ask];
  return promisify(execFile)(program!, args).then(({ stdout }) => stdout, () => '');
}
