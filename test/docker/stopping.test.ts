// Tests the rows of "What stopping means" (docs/operations.md) for containers, jobs and services: a test per cell.

import { expect } from 'chai';
import type { ContainerSpec, StopPolicy } from '../../calls/contract/engines.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import type { Receipt } from '../../protocol/run-record.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { createTestEngine } from '../helpers/docker/test-engine.ts';
import { leftoverContainers, leftoverNetworksAndVolumes } from '../helpers/leftovers.ts';
import { openTestPipelineEngine, type TestPipelineEngine } from '../helpers/pipeline/test-pipeline-engine.ts';
import { findLiving } from '../helpers/process/test-process-engine.ts';
import { type FakePorts, fakePorts } from '../helpers/runs/fake-run-ports.ts';
import { endlessGraceMs, waitUntil } from '../helpers/wait-until.ts';

/** A started shell script. */
interface Started {
  readonly run: FakePorts;
  readonly output: FakePorts['output'];
  cancel(): Promise<Receipt>;
}

interface Row {
  start(engine: TestPipelineEngine, script: string, stop: StopPolicy): Promise<Started>;
  /** Prefix of the container names of this row. */
  readonly name: string;
  /** Kinds of the resources that the engine lists while the script runs. */
  readonly opens: readonly string[];
}

/** A loop whose shell handles signals at once, because each `sleep` is short. `|| :` keeps it alive under `sh -e`. */
const stay = 'echo ready; while :; do sleep 0.01 || :; done';
const patient = { signal: 'SIGTERM', graceMs: endlessGraceMs } as const;
let tags = 0;

const spec = (script: string): ContainerSpec => ({ image: 'busybox', command: ['sh', '-c', script], network: 'none' });

const container: Row = {
  start: async ({ docker }, script, stop) => {
    const run = fakePorts({ stop });
    const ended = docker.container(run.ports)(spec(script));
    const cancel = (): Promise<Receipt> => {
      run.abort();
      return run.releaseAll({ container: docker.release }).finally(() => ended);
    };
    return { run, output: run.output, cancel };
  },
  name: 'distillery-',
  opens: ['container'],
};

const job: Row = {
  start: async (engine, script, stop) => {
    const { run, cancel } = await engine.start(
      `a: { image: busybox, network: shared, volumes: ["v:/v"], script: ${JSON.stringify(script)} }`,
      { stop },
    );
    return { run, output: run.output.part('a'), cancel };
  },
  name: 'a_',
  opens: ['container', 'network', 'volume'],
};

const service: Row = {
  start: async (engine, script, stop) => {
    const { run, cancel } = await engine.start(
      `a: { image: busybox, script: "echo up; exec sleep 60",
            services: { s: { image: busybox, command: [sh, -c, ${JSON.stringify(script)}] } } }`,
      { stop },
    );
    await run.output.part('a').waitForText('up');
    return { run, output: run.output.part('a').part('s'), cancel };
  },
  name: 'a-s_',
  opens: ['container', 'container', 'network'],
};

for (const [what, row] of Object.entries({ container, job, service }))
  describe(`stopping a ${what}`, function () {
    this.timeout(60_000);
    let engine: TestPipelineEngine;
    before(async () => {
      engine = await openTestPipelineEngine();
    });
    after(() => engine.close());
    afterEach(async () => {
      expect(await engine.leftovers()).to.deep.equal([]);
    });

    /** Starts the script and waits until it has printed `ready` that many times. */
    const start = async (script: string, { stop = patient, ready = 1 }: StartOptions = {}): Promise<Started> => {
      const started = await row.start(engine, script, stop);
      await waitUntil('the script is ready', () => started.output.stdout().split('ready').length > ready, 30_000);
      return started;
    };
    const lastSignals = ({ released }: Receipt): readonly string[] =>
      released.filter(({ kind, id }) => kind === 'container' && id.startsWith(row.name)).map(({ how }) => how);

    it('signal: the stop signal is the one of the call', async () => {
      const started = await start(`trap 'echo got USR1; exit 0' USR1; ${stay}`, {
        stop: { signal: 'SIGUSR1', graceMs: endlessGraceMs },
      });
      expect(lastSignals(await started.cancel())).to.deep.equal(['SIGUSR1']);
      expect(started.output.stdout()).to.equal('ready\ngot USR1\n');
    });

    it('whom it reaches: each process in the group and outside of it receives the stop signal once', async () => {
      // The process outside of the group receives the signal last. Until then, the others run on and would report a
      // second signal.
      const outside = `trap 'echo outside; touch /outside; exit 0' TERM; ${stay}`;
      const inside = `trap 'echo inside' TERM; echo ready; until [ -e /outside ]; do sleep 0.01 || :; done`;
      const leader = `trap 'echo leader' TERM; echo ready; until wait; do :; done`;
      const started = await start(`(${inside}) & setsid sh -c "${outside}" & ${leader}`, { ready: 3 });
      expect(lastSignals(await started.cancel())).to.deep.equal(['SIGTERM']);
      const lines = started.output.stdout().split('\n').slice(3, -1);
      expect(lines).to.have.members(['leader', 'inside', 'outside']);
    });

    it('grace: a program has the grace of the call to clean up', async () => {
      const started = await start(`trap 'sleep 0.3; echo cleaned; exit 0' TERM; ${stay}`);
      expect(lastSignals(await started.cancel())).to.deep.equal(['SIGTERM']);
      expect(started.output.stdout()).to.equal('ready\ncleaned\n');
    });

    it('kill: SIGKILL ends all processes in the container after the grace', async () => {
      const tag = `stopping-${process.pid}-${(tags += 1)}`;
      const ignore = `trap '' TERM; true ${tag}; ${stay}`;
      const graceMs = 300;
      const started = await start(`setsid sh -c "${ignore}" & ${ignore}`, {
        stop: { signal: 'SIGTERM', graceMs },
        ready: 2,
      });
      expect(findLiving(tag)).to.not.deep.equal([]);
      const order: string[] = [];
      setTimeout(() => order.push('end of grace'), graceMs);
      const receipt = await started.cancel();
      order.push('released');
      expect(order).to.deep.equal(['end of grace', 'released']);
      expect(lastSignals(receipt)).to.deep.equal(['SIGKILL']);
      expect(findLiving(tag)).to.deep.equal([]);
    });

    it('verification: the receipt is written when the engine lists nothing of the run', async () => {
      const started = await start(stay);
      expect(await listKinds(started.run)).to.deep.equal(row.opens);
      expect(await started.cancel()).to.include({ clean: true });
      expect(await listKinds(started.run)).to.deep.equal([]);
    });

    if (row === container)
      it('verification: the receipt names a container that the engine still lists', async () => {
        const docker = createTestEngine(await sharedEngineHost(), { limits: { ...defaultLimits, releaseMs: 0 } });
        const run = fakePorts({ stop: { signal: 'SIGTERM', graceMs: 0 } });
        const ended = docker.container(run.ports)(spec(stay));
        await run.output.waitForText('ready');
        run.abort();
        const { clean, left } = await run.releaseAll({ container: docker.release });
        expect({ clean, left: left.map(({ why }) => why) }).to.deep.equal({ clean: false, left: ['it still exists'] });
        expect(await listKinds(run)).to.deep.equal(['container']);
        // Release again, as the next gateway process would.
        const next = fakePorts({ run: run.ports.run, stop: { signal: 'SIGKILL', graceMs: 0 } });
        for (const { entry } of run.obligations) next.ports.openObligation(entry.kind, entry.id, entry.facts);
        expect(await next.releaseAll({ container: engine.docker.release })).to.include({ clean: true });
        await ended;
        docker.close();
      });

    if (row === job)
      it('signal: the stop signal reaches the containers of the job and of its services at once', async () => {
        const script = JSON.stringify(`trap 'echo got TERM' TERM; ${stay}`);
        const { run, cancel } = await engine.start(
          `a: { image: busybox, script: ${script}, services: { s: { image: busybox, command: [sh, -c, ${script}] } } }`,
          { stop: patient },
        );
        const outputs = [run.output.part('a'), run.output.part('a').part('s')];
        await Promise.all(outputs.map((output) => output.waitForText('ready')));
        const receipt = cancel();
        // Neither container ends, so no stop can finish before the other begins.
        await Promise.all(outputs.map((output) => output.waitForText('got TERM')));
        run.forceStop();
        const { released } = await receipt;
        expect(released.map(({ kind, how }) => `${kind} ${how}`)).to.have.members([
          'container SIGKILL',
          'container SIGKILL',
          'network removed',
        ]);
      });
  });

interface StartOptions {
  readonly stop?: StopPolicy;
  readonly ready?: number;
}

/** Returns the kinds of everything that the engine lists with the label of the run. */
async function listKinds({ ports }: FakePorts): Promise<readonly (string | undefined)[]> {
  const found = [...(await leftoverContainers(ports.run)), ...(await leftoverNetworksAndVolumes(ports.run))];
  return found.map((text) => text.split(' ')[0]);
}
