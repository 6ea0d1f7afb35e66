// Tests the containers of a run on a real engine: create, start, inspect and remove.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { StepContainer, StepSpec } from '../../calls/contract/containers.ts';
import { type Exit, WorkFailed, WorkLost } from '../../calls/contract/engines.ts';
import type { Connection } from '../../server/docker/connect.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { engineNetworkPath, sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { createTestEngine, expectRejection } from '../helpers/docker/test-engine.ts';
import {
  connectDirectly,
  createArchive,
  createStepRun,
  engineReleasers,
  type StepRun,
} from '../helpers/docker/test-steps.ts';
import { endlessGraceMs, waitUntil } from '../helpers/wait-until.ts';

describe('docker: step containers', function () {
  this.timeout(60_000);
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

  interface FinishedStep {
    readonly setup: StepRun;
    readonly step: StepContainer;
    readonly exit: Exit;
  }

  async function runStep(script: string, more: Partial<StepSpec> = {}): Promise<FinishedStep> {
    const setup = await createStepRun(engine);
    const step = await setup.steps.create(setup.sh(script, more));
    try {
      const { ended } = await step.start(setup.run.output);
      return { setup, step, exit: await ended };
    } finally {
      await step.remove();
    }
  }

  const inspect = async (step: StepContainer) => raw.docker.getContainer(step.id).inspect();

  describe('running a step container', () => {
    it('a step container returns its output and exit code, and can be removed', async () => {
      const { setup, step, exit } = await runStep('echo out; echo err >&2; exit 3');
      expect(exit).to.deep.equal({ exitCode: 3 });
      expect(setup.run.output.stdout()).to.equal('out\n');
      expect(setup.run.output.stderr()).to.equal('err\n');
      expect(await step.remove()).to.deep.equal({ how: 'exited' });
    });

    it('a step container does not end its output streams, because its caller does', async () => {
      const { setup } = await runStep('printf "half a line"');
      expect(setup.run.output.stdout()).to.equal('half a line');
      expect(setup.run.output.ended).to.deep.equal({ stdout: false, stderr: false });
    });

    it('the name and engine of a step container are in the journal before the container is created', async () => {
      const setup = await createStepRun(engine);
      const spec = setup.sh('true');
      const creating = setup.steps.create(spec);
      expect(setup.run.obligations.map(({ entry }) => entry)).to.deep.equal([
        { run: setup.run.ports.run, kind: 'container', id: spec.name, facts: { host: raw.host } },
      ]);
      const step = await creating;
      expect(setup.run.obligations[0]?.entry.facts['container']).to.equal(step.id);
      expect(step.name).to.equal(spec.name);
      await step.remove();
    });

    it('a step container has labels for run, gateway and job, and the engine stores none of its output', async () => {
      const setup = await createStepRun(engine);
      const step = await setup.steps.create(setup.sh('true', { job: 'build all' }));
      const { Config, HostConfig } = await inspect(step);
      expect(Config.Labels).to.include({ 'distillery.run': setup.run.ports.run, 'distillery.job': 'build all' });
      expect(Config.Labels['distillery.gateway']).to.match(/^test-/);
      expect(HostConfig.LogConfig?.Type).to.equal('none');
      expect(HostConfig.Init).to.equal(true);
      await step.remove();
    });

    it('a step container emits no events in the log of the run', async () => {
      const { setup } = await runStep('echo hello');
      expect(setup.run.events).to.deep.equal([]);
      expect(setup.run.input.discarded).to.equal(false);
    });

    it('the input of a step container has ended before the container starts', async () => {
      const { setup, exit } = await runStep('cat; echo "read to the end"');
      expect(exit).to.deep.equal({ exitCode: 0 });
      expect(setup.run.output.stdout()).to.equal('read to the end\n');
    });

    it('the first line of a step container arrives while the container runs', async () => {
      const setup = await createStepRun(engine);
      const step = await setup.steps.create(setup.sh('echo first; exec sleep 60'));
      const { ended } = await step.start(setup.run.output);
      await setup.run.output.waitForText('first\n');
      await step.remove();
      expect(await ended).to.deep.equal({});
    });

    it('a step container delivers 20 MB without loss and waits while the log accepts none', async () => {
      const setup = await createStepRun(engine);
      const step = await setup.steps.create(setup.sh('head -c 20000000 /dev/zero | tr "\\0" y'));
      setup.run.output.block();
      const { ended } = await step.start(setup.run.output);
      await setup.run.output.waitForText('y');
      expect(setup.run.output.bytes('stdout').length).to.be.below(1 << 20);
      setup.run.output.unblock();
      expect(await ended).to.deep.equal({ exitCode: 0 });
      expect(setup.run.output.bytes('stdout').length).to.equal(20_000_000);
      await step.remove();
    });

    it("a step container's last output is never lost", async () => {
      for (let n = 0; n < 10; n += 1) {
        const { setup } = await runStep('seq 1 2000');
        expect(setup.run.output.stdout().split('\n')).to.have.length(2001);
      }
    });

    it('a step container ended by a signal returns its exit code', async () => {
      expect((await runStep('kill -TERM $$')).exit).to.deep.equal({ exitCode: 143 });
    });

    it('a step container reports a lack of memory, in its own process or in a child', async () => {
      expect((await runStep('x=xxxxxxxx; while :; do x=$x$x; done', { memoryBytes: 16 << 20 })).exit).to.deep.equal({
        exitCode: 137,
        oomKilled: true,
      });
      const child = await runStep('sh -c "x=xxxxxxxx; while :; do x=\\$x\\$x; done"; exit 0', {
        memoryBytes: 16 << 20,
      });
      expect(child.exit).to.deep.equal({ exitCode: 0, oomKilled: true });
    });

    it('a step container has the environment, user and working folder of its spec', async () => {
      const { setup } = await runStep('echo "$A"; id -u; id -g; pwd', {
        env: { A: 'b $(c) "d"' },
        user: '1234:5678',
        workdir: '/made/for it',
      });
      expect(setup.run.output.stdout()).to.equal('b $(c) "d"\n1234\n5678\n/made/for it\n');
    });

    it("a step container's entrypoint replaces that of the image", async () => {
      const { setup } = await runStep('', { entrypoint: ['/bin/echo', 'from'], command: ['elsewhere'] });
      expect(setup.run.output.stdout()).to.equal('from elsewhere\n');
    });

    it('a step container removed by another program is reported as lost', async () => {
      const setup = await createStepRun(engine);
      const step = await setup.steps.create(setup.sh('echo ready; exec sleep 60'));
      const { ended } = await step.start(setup.run.output);
      const end = ended.catch((error: unknown) => error);
      await setup.run.output.waitForText('ready');
      await raw.docker.getContainer(step.id).remove({ force: true });
      const found = await end;
      if (!(found instanceof WorkLost)) expect(found).to.deep.equal({ exitCode: 137 });
      await step.remove();
    });
  });

  describe('step containers that cannot be created', () => {
    const cases: Record<string, { more: Partial<StepSpec>; message: string | RegExp }> = {
      'no such image': { more: { image: 'nosuch:1' }, message: 'the Docker engine has no image "nosuch:1"' },
      'an invalid name': {
        more: { name: 'a b' },
        message: /^cannot create the container: Invalid container name \(a b\)/,
      },
      'no such host folder': {
        more: { volumes: ['/no/such/folder:/a'] },
        message: /^cannot create the container: .*bind source path does not exist: \/no\/such\/folder/,
      },
      'an invalid volume': { more: { volumes: ['zz'] }, message: /^"zz" is not a valid volume/ },
    };
    for (const [what, { more, message }] of Object.entries(cases)) {
      it(`a step container that cannot be created reports the reason: ${what}`, async () => {
        const setup = await createStepRun(engine);
        const error = await expectRejection(setup.steps.create(setup.sh('true', more)));
        expect(error).to.be.instanceOf(WorkFailed);
        if (typeof message === 'string') expect(error.message).to.equal(message);
        else expect(error.message).to.match(message);
        const receipt = await setup.run.releaseAll(engineReleasers(engine));
        expect(receipt.released.map(({ how }) => how)).to.deep.equal(['never created']);
      });
    }

    it('a step container reports a name that is in use by the same run or another', async () => {
      const [one, other] = [await createStepRun(engine), await createStepRun(engine)];
      const spec = one.sh('true');
      const step = await one.steps.create(spec);
      const message = `cannot create the container: the name "${spec.name}" is already in use`;
      for (const { steps } of [one, other]) {
        const error = await expectRejection(steps.create(spec));
        expect(error).to.be.instanceOf(WorkFailed);
        expect(error.message).to.equal(message);
      }
      expect((await inspect(step)).State.Status).to.equal('created');
      await step.remove();
      // The removal has freed the name.
      await (await one.steps.create(spec)).remove();
    });
  });

  describe('step containers that cannot be started', () => {
    it('a step container reports a user that the image does not have', async () => {
      const setup = await createStepRun(engine);
      const step = await setup.steps.create(setup.sh('true', { user: 'ghost' }));
      const error = await expectRejection(step.start(setup.run.output));
      expect(error).to.be.instanceOf(WorkFailed);
      expect(error.message).to.match(/^cannot start the container: unable to find user ghost/);
      expect(await step.remove()).to.deep.equal({ how: 'removed' });
    });

    it('a step container reports a network that does not exist', async () => {
      const setup = await createStepRun(engine);
      const step = await setup.steps.create(setup.sh('true', { network: 'nowhere' }));
      expect((await expectRejection(step.start(setup.run.output))).message).to.equal(
        'cannot start the container: network nowhere not found',
      );
      await step.remove();
    });

    it('a step container reports a command that does not exist', async () => {
      const setup = await createStepRun(engine);
      const step = await setup.steps.create(setup.sh('', { command: ['nosuch'] }));
      const { ended } = await step.start(setup.run.output);
      const error = await expectRejection(ended);
      expect(error).to.be.instanceOf(WorkFailed);
      expect(error.message).to.equal('cannot start the container: exec nosuch failed: No such file or directory');
      await step.remove();
    });

    it('a step container reports a port that is in use', async () => {
      const setup = await createStepRun(engine);
      const wanting = (hostPort: number) =>
        setup.steps.create(
          setup.sh('exec sleep 60', {
            name: setup.name(),
            network: 'bridge',
            ports: [{ hostIp: '127.0.0.1', hostPort, containerPort: 80 }],
          }),
        );
      const first = await wanting(0);
      await first.start(setup.run.output);
      const port = Number((await inspect(first)).NetworkSettings.Ports['80/tcp']?.[0]?.HostPort);
      const second = await wanting(port);
      const error = await expectRejection(second.start(setup.run.output));
      expect(error).to.be.instanceOf(WorkFailed);
      expect(error.message).to.equal(`cannot start the container: port 127.0.0.1:${port} is already in use`);
      await Promise.all([first.remove(), second.remove()]);
    });
  });

  describe('additional commands in a step container', () => {
    const keeper = 'trap "exit 0" TERM; echo up; while :; do sleep 0.1; done';

    async function up(
      more: Partial<StepSpec> = {},
    ): Promise<{ setup: StepRun; step: StepContainer; ended: Promise<Exit> }> {
      const setup = await createStepRun(engine);
      const step = await setup.steps.create(setup.sh(keeper, more));
      const { ended } = await step.start(setup.run.output);
      await setup.run.output.waitForText('up');
      return { setup, step, ended };
    }

    it('a command in a container has its own output and exit code, no input, and the working folder', async () => {
      const { setup, step } = await up({ workdir: '/tmp' });
      const output = setup.run.output;
      expect(await step.exec(['sh', '-c', 'pwd; cat; echo problem >&2; exit 7'], { output })).to.deep.equal({
        exitCode: 7,
      });
      expect(await step.exec(['pwd'], { output, workdir: '/etc' })).to.deep.equal({ exitCode: 0 });
      expect(output.stdout()).to.equal('up\n/tmp\n/etc\n');
      expect(output.stderr()).to.equal('problem\n');
      await step.remove();
    });

    it('a command in a container runs as its user and with its environment', async () => {
      const { setup, step } = await up({ user: '1234:5678', env: { A: 'b' } });
      await step.exec(['sh', '-c', 'id -u; id -g; echo $A'], { output: setup.run.output });
      expect(setup.run.output.stdout()).to.equal('up\n1234\n5678\nb\n');
      await step.remove();
    });

    it('a command in a container delivers 20 MB without loss', async () => {
      const { setup, step } = await up();
      const before = setup.run.output.bytes('stdout').length;
      await step.exec(['sh', '-c', 'head -c 20000000 /dev/zero | tr "\\0" z'], { output: setup.run.output });
      expect(setup.run.output.bytes('stdout').length - before).to.equal(20_000_000);
      await step.remove();
    });

    it('a command that is missing or not executable reports the reason', async () => {
      const { setup, step } = await up();
      const reasons: Record<string, RegExp> = {
        nosuch: /executable file not found in \$PATH$/,
        '/etc/passwd': /permission denied$/,
      };
      for (const [word, reason] of Object.entries(reasons)) {
        const error = await expectRejection(step.exec([word], { output: setup.run.output }));
        expect(error).to.be.instanceOf(WorkFailed);
        expect(error.message)
          .to.match(/^cannot run the command in the container: exec: /)
          .and.match(reason);
      }
      // A command that itself exits with 127 is not reported as missing.
      expect(await step.exec(['sh', '-c', 'nosuch'], { output: setup.run.output })).to.deep.equal({ exitCode: 127 });
      await step.remove();
    });

    it('a command ends when its container exits', async () => {
      const setup = await createStepRun(engine);
      const step = await setup.steps.create(setup.sh('while [ ! -e /tmp/go ]; do sleep 0.05; done'));
      const { ended } = await step.start(setup.run.output);
      const exit = step
        .exec(['sh', '-c', 'echo there; touch /tmp/go; sleep 60'], { output: setup.run.output })
        .catch((reason: unknown) => reason);
      expect(await ended).to.deep.equal({ exitCode: 0 });
      const end = await exit;
      if (!(end instanceof WorkLost)) expect(end).to.deep.equal({ exitCode: 137 });
      expect(setup.run.output.stdout()).to.equal('there\n');
      const error = await expectRejection(step.exec(['true'], { output: setup.run.output }));
      expect(error.message).to.match(/^cannot run the command in the container: .*is not running$/);
      await step.remove();
    });

    it('a command and its container end when the container is removed', async () => {
      const { setup, step, ended } = await up();
      const exit = step.exec(['sh', '-c', 'echo there; sleep 60'], { output: setup.run.output });
      await setup.run.output.waitForText('there');
      expect(await step.remove()).to.deep.equal({ how: 'SIGKILL' });
      expect(await Promise.all([ended, exit])).to.deep.equal([{}, {}]);
      expect(await step.exec(['true'], { output: setup.run.output })).to.deep.equal({});
    });
  });

  describe('removing a step container', () => {
    it('removing a container that ignores signals needs only SIGKILL, and is idempotent', async () => {
      const setup = await createStepRun(engine, { stop: { signal: 'SIGTERM', graceMs: endlessGraceMs } });
      const step = await setup.steps.create(setup.sh('trap "" TERM; echo ready; while :; do sleep 0.1; done'));
      const { ended } = await step.start(setup.run.output);
      await setup.run.output.waitForText('ready');
      const removal = step.remove();
      expect(step.remove()).to.equal(removal);
      expect(await removal).to.deep.equal({ how: 'SIGKILL' });
      expect(await ended).to.deep.equal({});
      expect(await raw.docker.listContainers({ all: true, filters: { name: [step.name] } })).to.deep.equal([]);
    });

    it('removing a container does not wait for a log that accepts no output', async () => {
      const setup = await createStepRun(engine, { stop: { signal: 'SIGTERM', graceMs: endlessGraceMs } });
      const step = await setup.steps.create(setup.sh('yes'));
      setup.run.output.block();
      const { ended } = await step.start(setup.run.output);
      await setup.run.output.waitForText('y');
      expect(await step.remove()).to.deep.equal({ how: 'SIGKILL' });
      expect(await ended).to.deep.equal({});
      setup.run.output.unblock();
    });

    it('removing a container also removes its anonymous volumes', async () => {
      const setup = await createStepRun(engine);
      await setup.steps.build({
        tag: 'with-volume',
        dockerfile: 'Dockerfile',
        signal: setup.run.ports.signal,
        output: setup.run.output,
        context: createArchive([{ name: 'Dockerfile', text: 'FROM busybox\nVOLUME /data\n' }]),
      });
      const step = await setup.steps.create(setup.sh('echo kept > /data/file', { image: 'with-volume' }));
      await (await step.start(setup.run.output)).ended;
      const volume = (await inspect(step)).Mounts[0]?.Name ?? '';
      await step.remove();
      const { Volumes } = await raw.docker.listVolumes();
      expect(Volumes.map(({ Name }) => Name)).to.not.include(volume);
      await raw.docker.getImage('with-volume').remove();
    });

    it('stopping a container sends the stop signal first', async () => {
      const setup = await createStepRun(engine, { stop: { signal: 'SIGINT', graceMs: endlessGraceMs } });
      const step = await setup.steps.create(
        setup.sh('trap "echo bye; exit 5" INT; echo ready; while :; do sleep 0.1; done'),
      );
      const { ended } = await step.start(setup.run.output);
      await setup.run.output.waitForText('ready');
      expect(await step.stop()).to.deep.equal({ how: 'SIGINT' });
      expect(await ended).to.deep.equal({});
      expect(setup.run.output.stdout()).to.equal('ready\nbye\n');
      expect(await step.remove()).to.deep.equal({ how: 'SIGINT' });
    });

    it('removing a container ends the grace of a stop in progress', async () => {
      const setup = await createStepRun(engine, { stop: { signal: 'SIGTERM', graceMs: endlessGraceMs } });
      const step = await setup.steps.create(
        setup.sh('trap "echo asked" TERM; echo ready; while :; do sleep 0.1; done'),
      );
      await step.start(setup.run.output);
      await setup.run.output.waitForText('ready');
      const stopped = step.stop();
      await setup.run.output.waitForText('asked');
      await step.remove();
      expect(await stopped).to.have.property('how');
    });

    it('the start of a removed container has no effect, and access to its files is rejected', async () => {
      const setup = await createStepRun(engine);
      const step = await setup.steps.create(setup.sh('true'));
      await step.remove();
      const { ended } = await step.start(setup.run.output);
      expect(await ended).to.deep.equal({});
      expect((await expectRejection(step.get('/etc'))).message).to.equal(
        'cannot read "/etc": the container is being stopped',
      );
    });
  });

  describe('ports of a step container', () => {
    it("one port of a container can be published on several ports of the engine's machine", async () => {
      const setup = await createStepRun(engine);
      // Port 0 selects any free port.
      const ports = [80, 80, 81].map((containerPort) => ({ hostIp: '127.0.0.1', hostPort: 0, containerPort }));
      const step = await setup.steps.create(
        setup.sh('while :; do echo hello | nc -l -p 80; done', { network: 'bridge', ports }),
      );
      await step.start(setup.run.output);
      const { Ports } = (await inspect(step)).NetworkSettings;
      expect(Ports['81/tcp']).to.have.length(1);
      expect(Ports['80/tcp']).to.have.length(2);
      for (const { HostPort } of Ports['80/tcp'] ?? [])
        await waitUntil('the port answers', async () => (await requestPort(HostPort)) === 'hello\n');
      await step.remove();
    });
  });

  describe('networks of step containers', () => {
    it('containers on a network reach each other by their aliases', async () => {
      const setup = await createStepRun(engine);
      const network = await setup.steps.network('back end');
      expect(await setup.steps.network('back end')).to.equal(network);
      const server = await setup.steps.create(
        setup.sh('echo listening; echo hello | nc -l -p 80', { network, aliases: ['db', 'database'] }),
      );
      await server.start(setup.run.output);
      await setup.run.output.waitForText('listening');
      const client = await setup.steps.create(
        setup.sh('until nc database 80 </dev/null | grep hello; do sleep 0.05; done; ping -c 1 db >/dev/null', {
          name: setup.name('client'),
          network,
        }),
      );
      expect(await (await client.start(setup.run.output)).ended).to.deep.equal({ exitCode: 0 });
      expect(setup.run.output.stdout()).to.contain('hello\n');
      const receipt = await setup.run.releaseAll(engineReleasers(engine));
      expect(receipt.clean).to.equal(true);
      expect(receipt.released.map(({ kind }) => kind)).to.deep.equal(['container', 'container', 'network']);
      expect(receipt.released.at(-1)?.how).to.equal('removed');
    });

    it('a network has the labels of the run, and names that differ in special characters stay distinct', async () => {
      const setup = await createStepRun(engine);
      const names = await Promise.all(
        ['a b', 'a_b', 'a/b', 'ä', 'x'.repeat(300)].map((name) => setup.steps.network(name)),
      );
      expect(new Set(names).size).to.equal(5);
      for (const name of names) expect(name).to.match(/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/);
      const { Labels } = await raw.docker.getNetwork(names[0]!).inspect();
      expect(Labels).to.have.all.keys('distillery.run', 'distillery.gateway');
      await setup.run.releaseAll(engineReleasers(engine));
    });

    it('a stopped run creates neither networks nor volumes', async () => {
      const setup = await createStepRun(engine);
      setup.run.abort();
      expect((await expectRejection(setup.steps.network('n'))).message).to.equal(
        'cannot create the network "n": the run is being stopped',
      );
      expect((await expectRejection(setup.steps.create(setup.sh('true')))).message).to.equal(
        'cannot create the container: the run is being stopped',
      );
      expect(setup.run.obligations).to.deep.equal([]);
    });
  });

  describe('volumes of step containers', () => {
    it('a volume passes files between containers of a run and is removed with the run', async () => {
      const setup = await createStepRun(engine);
      const volume = await setup.steps.volume('data');
      expect(await setup.steps.volume('data')).to.equal(volume);
      for (const script of ['echo kept > /data/file', 'cat /data/file']) {
        const step = await setup.steps.create(setup.sh(script, { name: setup.name(), volumes: [`${volume}:/data`] }));
        await (await step.start(setup.run.output)).ended;
        await step.remove();
      }
      expect(setup.run.output.stdout()).to.equal('kept\n');
      expect(await engine.listResources()).to.deep.equal([volume]);
      await setup.run.releaseAll(engineReleasers(engine));
    });

    it('several volumes of a container are mounted at their own paths', async () => {
      const setup = await createStepRun(engine);
      const [a, b] = await Promise.all([setup.steps.volume('a'), setup.steps.volume('b')]);
      const step = await setup.steps.create(
        setup.sh('touch /a/x /b/x; ls /a /b', { volumes: [`${a}:/a`, `${b}:/b:ro`] }),
      );
      expect((await (await step.start(setup.run.output)).ended).exitCode).to.equal(0);
      expect(setup.run.output.stderr()).to.contain('Read-only file system');
      await step.remove();
      await setup.run.releaseAll(engineReleasers(engine));
    });

    it('a volume belongs to the user of the first container that mounts it', async () => {
      const setup = await createStepRun(engine);
      const volume = await setup.steps.volume('data');
      const step = await setup.steps.create(
        setup.sh('touch /data/file && stat -c "%u:%g" /data', { user: '1234:5678', volumes: [`${volume}:/data`] }),
      );
      expect(await (await step.start(setup.run.output)).ended).to.deep.equal({ exitCode: 0 });
      expect(setup.run.output.stdout()).to.equal('1234:5678\n');
      await step.remove();
      await setup.run.releaseAll(engineReleasers(engine));
    });

    it('a cache volume and its files remain for the next run on the same gateway', async () => {
      let name = '';
      for (const script of ['echo warm > /c/file', 'cat /c/file']) {
        const setup = await createStepRun(engine);
        name = await setup.steps.cache('npm');
        const step = await setup.steps.create(setup.sh(script, { volumes: [`${name}:/c`] }));
        await (await step.start(setup.run.output)).ended;
        await step.remove();
        const receipt = await setup.run.releaseAll(engineReleasers(engine));
        expect(receipt.released.map(({ kind }) => kind)).to.deep.equal(['container']);
        if (script.startsWith('cat')) expect(setup.run.output.stdout()).to.equal('warm\n');
      }
      expect(name).to.match(/^distillery-cache-test-.*-npm$/);
      const volume = await raw.docker.getVolume(name).inspect();
      expect(volume.Labels).to.include({ 'distillery.cache': 'npm' });
      await raw.docker.getVolume(name).remove();
    });
  });

  describe('step containers on another engine', () => {
    it('containers run on the engine that the caller names', async () => {
      const nowhere = createTestEngine('unix:///no/such/engine.sock');
      const setup = await createStepRun(engine);
      const steps = await nowhere.steps(setup.run.ports, { host: raw.host });
      const step = await steps.create(setup.sh('echo here'));
      await (await step.start(setup.run.output)).ended;
      expect(setup.run.output.stdout()).to.equal('here\n');
      expect(setup.run.obligations[0]?.entry.facts['host']).to.equal(raw.host);
      await step.remove();
      nowhere.close();
    });

    it('the error for a silent engine contains its address only if the caller named that engine', async () => {
      const setup = await createStepRun(engine);
      const error = await expectRejection(engine.steps(setup.run.ports, { host: 'tcp://127.0.0.1:1' }));
      expect(error).to.be.instanceOf(WorkFailed);
      expect(error.message).to.equal(
        'no Docker engine answers: tcp://127.0.0.1:1: connection refused: nothing listens there',
      );
      expect((await expectRejection(engine.steps(setup.run.ports, { host: 'ssh://host' }))).message).to.equal(
        'no Docker engine answers: "ssh://host" is not the address of a Docker engine; ' +
          'write unix:///path or tcp://host:port',
      );
      const nowhere = createTestEngine('unix:///no/such/engine.sock');
      expect((await expectRejection(nowhere.steps(setup.run.ports))).message).to.equal(
        'no Docker engine answers: start one, or set docker.host in distillery.yaml',
      );
      nowhere.close();
    });
  });
});

/** Returns what a port on the engine's machine sends; `''` if nothing. */
async function requestPort(port: string): Promise<string> {
  const network = engineNetworkPath();
  const ask = ['/bin/busybox', 'nc', '-w', '1', '127.0.0.1', port];
  const [program, ...args] = network === undefined ? ask : ['nsenter', `--net=${network}`, ...ask];
  return promisify(execFile)(program!, args).then(
    ({ stdout }) => stdout,
    () => '',
  );
}
