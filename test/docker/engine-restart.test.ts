// Restarts the engine while containers run: with live-restore they go on, without it they end with the engine.

import { expect } from 'chai';
import type { Exit } from '../../calls/contract/engines.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { type RestartableEngine, startRestartableEngine } from '../helpers/docker/restartable-engine.ts';
import { createTestEngine } from '../helpers/docker/test-engine.ts';
import { createStepRun, engineReleasers } from '../helpers/docker/test-steps.ts';
import { fakePorts } from '../helpers/runs/fake-run-ports.ts';
import { endlessGraceMs } from '../helpers/wait-until.ts';

for (const liveRestore of [true, false])
  describe(`P6: an engine that restarts ${liveRestore ? 'with' : 'without'} live-restore`, function () {
    this.timeout(120_000);
    let daemon: RestartableEngine;
    let engine: DockerEngine;

    before(async () => {
      daemon = await startRestartableEngine({ liveRestore });
      engine = createTestEngine(daemon.host);
    });

    after(async () => {
      engine?.close();
      await daemon?.close();
    });

    afterEach(async () => {
      expect(await engine.listResources()).to.deep.equal([]);
    });

    const counting = 'i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo line $i; sleep 0.1; done; exit 4';
    const lines = Array.from({ length: 30 }, (_, at) => `line ${at + 1}\n`).join('');

    for (const signal of ['SIGTERM', 'SIGKILL'] as const)
      it(`P6: ${signal} to the engine ends a container run with an exit code, unless live-restore is on`, async () => {
        const run = fakePorts();
        const work = engine.container(run.ports)({
          image: 'busybox',
          command: ['sh', '-c', counting],
          network: 'none',
        });
        await run.output.waitForText('line 3\n');
        await daemon.stop(signal);
        // Without live-restore, an engine that receives SIGTERM first ends its containers and reports their exits, so
        // `engine-lost` may not occur.
        if (liveRestore || signal === 'SIGKILL') await run.waitForEvent('engine-lost');
        await daemon.start();
        const exit = await work;
        const receipt = await run.releaseAll({ container: engine.release });
        expect(receipt.clean).to.equal(true);
        if (!liveRestore) {
          expect(exit.exitCode).to.be.oneOf([137, 143]);
          return;
        }
        expect(exit).to.deep.equal({ exitCode: 4 });
        expect(receipt.released[0]).not.to.have.property('outputCut');
        expect(run.output.stdout()).to.equal(lines);
        expect(run.events.map(({ type }) => type))
          .to.include('adopted')
          .and.not.to.include('output-lost');
      });

    it('P6: the output of a run that exchanges bytes is not resumed, because the engine stores only text', async () => {
      const run = fakePorts();
      const output = Object.assign(run.ports.output, { exact: true });
      const ports = { ...run.ports, output };
      const work = engine.container(ports)({ image: 'busybox', command: ['sh', '-c', counting], network: 'none' });
      await run.output.waitForText('line 3\n');
      await daemon.stop('SIGKILL');
      await run.waitForEvent('engine-lost');
      const before = run.output.stdout();
      await daemon.start();
      await work;
      expect(run.output.stdout()).to.equal(before);
      expect(run.events.filter(({ type }) => type === 'output-lost')).to.deep.equal([
        { type: 'output-lost', facts: { container: run.obligations[0]!.entry.id } },
      ]);
      const { released } = await run.releaseAll({ container: engine.release });
      expect(released[0]?.outputCut).to.deep.equal({ reason: 'engine' });
    });

    if (liveRestore)
      it('P6: a run that exchanges bytes and is cancelled after an engine restart reports missing output', async () => {
        const run = fakePorts();
        const ports = { ...run.ports, output: Object.assign(run.ports.output, { exact: true }) };
        const work = engine.container(ports)({ image: 'busybox', command: ['sleep', '300'], network: 'none' });
        await run.waitForEvent('container-started');
        await daemon.stop('SIGKILL');
        await daemon.start();
        await run.waitForEvent('adopted');
        run.abort();
        const { released } = await run.releaseAll({ container: engine.release });
        await work;
        expect(released[0]?.outputCut).to.deep.equal({ reason: 'engine' });
      });

    it('P6: a run cancelled while its engine is down ends; its container is released after the restart', async () => {
      const run = fakePorts({ stop: { signal: 'SIGTERM', graceMs: endlessGraceMs } });
      const work = engine.container(run.ports)({ image: 'busybox', command: ['sleep', '300'], network: 'none' });
      await run.waitForEvent('container-started');
      await daemon.stop('SIGKILL');
      await run.waitForEvent('engine-lost');
      run.abort();
      const receipt = await run.releaseAll({ container: engine.release });
      expect(receipt.left[0]?.why).to.match(/may still exist: the Docker engine does not answer/);
      expect(await work).to.deep.equal({});
      await daemon.start();
      const options = { stop: run.ports.stop, force: new AbortController().signal, pending: Promise.resolve() };
      const release = await engine.release(run.obligations[0]!.entry, options);
      expect(release).to.deep.equal({ how: liveRestore ? 'SIGTERM' : 'exited' });
    });

    it('P6: an engine restart ends a step container with an exit code, unless live-restore is on', async () => {
      const { run, steps, sh } = await createStepRun(engine);
      const step = await steps.create(sh(counting));
      const { ended } = await step.start(run.output);
      await run.output.waitForText('line 3\n');
      await daemon.stop('SIGKILL');
      await run.waitForEvent('engine-lost');
      await daemon.start();
      const exit: Exit = await ended;
      if (liveRestore) expect(exit).to.deep.equal({ exitCode: 4 });
      else expect(exit.exitCode).to.be.oneOf([137, 143]);
      expect(run.events.map(({ type }) => type)).to.include('output-lost');
      await step.remove();
      const { released } = await run.releaseAll(engineReleasers(engine));
      expect(released[0]?.outputCut).to.deep.equal({ reason: 'engine' });
    });

    it('P6: the end of a command in a container is unknown after a restart of the engine', async () => {
      const { run, steps, sh } = await createStepRun(engine);
      const step = await steps.create(sh('exec sleep 300'));
      await step.start(run.output);
      const command = step.exec(['sh', '-c', 'echo up; sleep 300'], { output: run.output }).catch((error) => error);
      await run.output.waitForText('up\n');
      await daemon.stop('SIGTERM');
      await daemon.start();
      expect(String(await command)).to.match(/WorkLost: the engine no longer knows a command/);
      await step.remove();
      await run.releaseAll(engineReleasers(engine));
    });
  });
