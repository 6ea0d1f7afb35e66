// Stops jobs and services with a timeout, a cancel or the end of their job: signal, reach, grace, kill, verification.

import { expect } from 'chai';
import {
  type FinishedPipeline,
  openTestPipelineEngine,
  type TestPipelineEngine,
} from '../../helpers/pipeline/test-pipeline-engine.ts';
import { endlessGraceMs } from '../../helpers/wait-until.ts';

describe('stopping jobs', function () {
  this.timeout(60_000);
  let engine: TestPipelineEngine;

  before(async () => {
    engine = await openTestPipelineEngine();
  });
  after(() => engine.close());
  afterEach(async () => {
    expect(await engine.leftovers()).to.deep.equal([]);
  });

  const endless = { signal: 'SIGTERM', graceMs: endlessGraceMs } as const;

  describe('P3: a timeout', () => {
    // A slow machine needs seconds to start a container, so the timeout is long. All jobs wait for it at the same time.
    const timeout = '8s';
    let patient: FinishedPipeline;
    let impatient: FinishedPipeline;
    before(async () => {
      [patient, impatient] = await Promise.all([
        engine.run(
          `
           a: { image: busybox, network: none, timeout: ${timeout},
                script: ["trap 'echo bye; exit 0' TERM", "while :; do sleep 0.1; done"] }
           b: { image: busybox, network: none, timeout: ${timeout}, retry: { attempts: 2, delay: 0 },
                script: ["trap 'echo bye; exit 0' TERM", "echo up", "while :; do sleep 0.1; done"] }
           c: { image: busybox, network: none, timeout: ${timeout}, soloExecution: true,
                script: ["echo up", "trap 'echo bye; exit 0' TERM; sleep 300"] }`,
          { stop: endless },
        ),
        engine.run(
          `a: { image: busybox, network: none, timeout: ${timeout},
                script: ["trap '' TERM", "while :; do sleep 0.1; done"] }`,
          { stop: { signal: 'SIGTERM', graceMs: 300 } },
        ),
      ]);
    });

    it('P3: a job that times out receives the stop signal and can print within the grace', () => {
      expect(patient.stdout('a')).to.equal('bye\n');
      expect(patient.events('job-ended', 'a')[0]).to.include({
        status: 'failed',
        message: `job timed out after ${timeout}`,
      });
      expect(patient.receipt.released.map(({ how }) => how)).to.deep.equal(Array(4).fill('SIGTERM'));
    });

    it('P3: a job that times out and ignores the stop signal is killed after the grace', () => {
      expect(impatient.receipt.released.map(({ how }) => how)).to.deep.equal(['SIGKILL']);
      expect(impatient.events('job-ended')[0]).to.include({ message: `job timed out after ${timeout}` });
    });

    it('P3: an attempt that times out ends by the stop policy before the next attempt starts', () => {
      expect(patient.stdout('b')).to.equal('up\nbye\nup\nbye\n');
    });

    it('P3: the command of a job with soloExecution that times out receives the stop signal', () => {
      expect(patient.stdout('c')).to.equal('up\nbye\n');
    });
  });

  it('P4: the shell of a cancelled job handles the stop signal although it waits for a process', async () => {
    const started = await engine.start(
      'a: { image: busybox, network: none, script: ["trap \'echo cleanup\' TERM", "echo up", "sleep 300"] }',
      { stop: endless },
    );
    const output = started.run.output.part('a');
    await output.waitForText('up');
    const { released } = await started.cancel();
    expect(output.stdout()).to.equal('up\ncleanup\n');
    expect(released.map(({ how }) => how)).to.deep.equal(['SIGTERM']);
  });

  it('P4: the command of a cancelled job with soloExecution handles the stop signal', async () => {
    const started = await engine.start(
      `a: { image: busybox, network: none, soloExecution: true,
            script: "trap 'echo cleanup; exit 0' TERM; echo up; sleep 300" }`,
      { stop: endless },
    );
    const output = started.run.output.part('a');
    await output.waitForText('up');
    const { released } = await started.cancel();
    expect(output.stdout()).to.equal('up\ncleanup\n');
    expect(released.map(({ how }) => how)).to.deep.equal(['SIGTERM']);
  });

  it('P4: a service receives the stop signal when its job has ended', async () => {
    const { receipt } = await engine.run(
      `a: { image: busybox, script: "true", volumes: ["v:/v"],
            services: { s: { image: busybox, command: [sh, -c, "trap 'exit 0' TERM; sleep 300"] } } }`,
      { stop: endless },
    );
    const containers = receipt.released.filter(({ kind }) => kind === 'container').map(({ how }) => how);
    expect(containers).to.have.members(['exited', 'SIGTERM']);
  });

  it('P4: a service that ignores the stop signal is killed after the grace', async () => {
    const { receipt } = await engine.run(
      `a: { image: busybox, script: "true",
            services: { s: { image: busybox, command: [sh, -c, "trap '' TERM; while :; do sleep 1; done"] } } }`,
      { stop: { signal: 'SIGTERM', graceMs: 300 } },
    );
    const containers = receipt.released.filter(({ kind }) => kind === 'container').map(({ how }) => how);
    expect(containers).to.have.members(['exited', 'SIGKILL']);
  });
});
