// Runs containers on Podman, which has its init in a package of its own and runs no health checks without systemd.
// Without Podman on this machine, the tests check nothing.

import { expect } from 'chai';
import type { StopPolicy } from '../../calls/contract/engines.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { type PodmanEngine, startPodmanEngine } from '../helpers/docker/podman-engine.ts';
import { createTestEngine } from '../helpers/docker/test-engine.ts';
import { createStepRun, engineReleasers } from '../helpers/docker/test-steps.ts';
import { fakePorts } from '../helpers/runs/fake-run-ports.ts';
import { endlessGraceMs } from '../helpers/wait-until.ts';

const endless = { signal: 'SIGTERM', graceMs: endlessGraceMs } as const;

for (const init of [true, false])
  describe(`podman ${init ? 'with' : 'without'} its init`, function () {
    this.timeout(120_000);
    let podman: PodmanEngine | undefined;
    let engine: DockerEngine;

    before(async () => {
      podman = await startPodmanEngine({ init });
      engine = createTestEngine(podman?.host ?? 'unix:///no/such/engine.sock');
    });

    after(async () => {
      engine?.close();
      await podman?.close();
    });

    async function cancelled(
      command: readonly string[],
      stop: StopPolicy = endless,
    ): Promise<{ how: string | undefined; stdout: string }> {
      const run = fakePorts({ stop });
      const work = engine.container(run.ports)({ image: 'busybox', command, network: 'none' });
      await run.waitForEvent('container-started');
      if (command[0] === 'sh') await run.output.waitForText('ready');
      run.abort();
      const { released } = await run.releaseAll({ container: engine.release });
      await work;
      return { how: released[0]?.how, stdout: run.output.stdout() };
    }

    it('S7: a cancelled container ends at the stop signal if there is an init', async () => {
      if (podman === undefined) return;
      // Without an init, `sleep` is the first process of the container and ignores the stop signal.
      const { how } = await cancelled(['sleep', '60'], init ? endless : { signal: 'SIGTERM', graceMs: 1_000 });
      expect(how).to.equal(init ? 'SIGTERM' : 'SIGKILL');
    });

    it('P4: the stop signal reaches the child that a shell waits for', async () => {
      if (podman === undefined) return;
      const { how, stdout } = await cancelled(['sh', '-c', 'trap "echo cleanup" TERM; echo ready; sleep 300']);
      expect({ how, stdout }).to.deep.equal({ how: 'SIGTERM', stdout: 'ready\ncleanup\n' });
    });

    it('a container of Podman that runs out of memory is reported as out of memory', async () => {
      if (podman === undefined) return;
      const run = fakePorts();
      const command = ['sh', '-c', 'sh -c "x=xxxxxxxx; while :; do x=\\$x\\$x; done"; exit 0'];
      const exit = await engine.container(run.ports)({
        image: 'busybox',
        command,
        network: 'none',
        memoryBytes: 16 << 20,
      });
      await run.releaseAll({ container: engine.release });
      expect(exit).to.deep.equal({ exitCode: 0, oomKilled: true });
    });

    it('S6: a command in a container of Podman returns its exit code, which health checks need', async () => {
      if (podman === undefined) return;
      const { run, steps, sh } = await createStepRun(engine);
      const step = await steps.create(sh('exec sleep 60'));
      await step.start(run.output);
      expect(await step.exec(['/bin/sh', '-c', 'exit 7'], { output: run.output })).to.deep.equal({ exitCode: 7 });
      await step.remove();
      await run.releaseAll(engineReleasers(engine));
    });
  });
