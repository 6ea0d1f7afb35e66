// Cancels pipelines at many moments: nothing is left, and the receipt is complete.

import { expect } from 'chai';
import type { Receipt } from '../../../protocol/run-record.ts';
import {
  openTestPipelineEngine,
  type StartedPipeline,
  type TestPipelineEngine,
} from '../../helpers/pipeline/test-pipeline-engine.ts';
import { createRandom } from '../../helpers/seeded-random.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

/** How often the test cancels the large pipeline, which takes seconds each time. */
const instants = Number(process.env['PIPELINE_CANCELS'] ?? 4);

const large = `
  workflow: build p q shaky last
  build: { image: busybox, volumes: ["v:/v"], outputs: [X], artifactPath: /v,
    script: "echo X=1 > $DISTILLERY_OUTPUT; echo made > /v/x" }
  p:
    image: busybox
    parallel: true
    services: { web: { image: busybox, command: [sh, -c, "mkdir /www; exec httpd -f -p 80 -h /www"],
      health: { command: "true", interval: 50ms } } }
    script: sleep 0.2
  q: { image: busybox, parallel: true, network: shared, soloExecution: true, script: [sleep 0.1, sleep 0.1] }
  shaky: { image: busybox, network: none, parallel: true, retry: { attempts: 3, delay: 0 }, script: "false" }
  last: { image: busybox, network: none, when: always, script: sleep 0.1 }`;

describe('a cancelled pipeline', function () {
  this.timeout(60_000 + instants * 10_000);
  let engine: TestPipelineEngine;

  before(async () => {
    engine = await openTestPipelineEngine();
  });
  after(() => engine.close());
  afterEach(async () => {
    expect(await engine.leftovers()).to.deep.equal([]);
  });

  async function statuses({ result }: StartedPipeline): Promise<readonly unknown[]> {
    const { value } = (await result) as unknown as { value: { jobs: { status: string; reason?: string }[] } };
    return value.jobs.map(({ status, reason }) => (reason === undefined ? status : `${status}: ${reason}`));
  }

  it('pin defect 25: cancelling ends the running jobs, and no other job starts', async () => {
    const started = await engine.start(`
      workflow: a b c
      a: { image: busybox, network: none, parallel: true, script: "echo up; sleep 60" }
      b: { image: busybox, network: none, parallel: true, script: "echo up; sleep 60" }
      c: { image: busybox, network: none, script: echo never }`);
    await Promise.all(['a', 'b'].map((job) => started.run.output.part(job).waitForText('up')));
    const receipt = await started.cancel();
    expect(await statuses(started)).to.deep.equal(['cancelled', 'cancelled', 'skipped: cancelled']);
    expect(receipt.clean).to.equal(true);
    expect((await started.result).failure).to.equal(undefined);
    expect(started.run.output.parts.get('c')).to.equal(undefined);
  });

  it('L8: a job with when: always runs after a cancel, with volumes and outputs of earlier jobs', async () => {
    const started = await engine.start(
      `
      workflow: make work tidy
      make: { image: busybox, network: none, outputs: [NAME], script: "echo NAME=it >> $DISTILLERY_OUTPUT" }
      work: { image: busybox, network: shared, volumes: ["v:/v"], script: "echo made > /v/file; echo up; sleep 60" }
      tidy: { image: busybox, network: shared, volumes: ["v:/v"], when: always, copyFiles: true, workDir: /code,
        services: { s: { image: busybox, command: [sleep, "60"] } },
        script: 'echo "$NAME $(cat /v/file) $(ls)"' }`,
      { files: { 'notes.txt': 'x' } },
    );
    await started.run.output.part('work').waitForText('up');
    const receipt = await started.cancel();
    expect(await statuses(started)).to.deep.equal(['succeeded', 'cancelled', 'succeeded']);
    expect(started.run.output.part('tidy').stdout()).to.equal('it made notes.txt\n');
    expect(receipt.clean).to.equal(true);
  });

  it('L8: a job with when: always is cancelled when its time after the cancel is over', async () => {
    const started = await engine.start(`
      workflow: work tidy
      work: { image: busybox, network: none, script: "echo up; sleep 60" }
      tidy: { image: busybox, network: none, when: always, script: "echo tidying; sleep 60" }`);
    await started.run.output.part('work').waitForText('up');
    const cancelled = started.cancel();
    await started.run.output.part('tidy').waitForText('tidying');
    started.run.abortFinal();
    expect((await cancelled).clean).to.equal(true);
    expect(await statuses(started)).to.deep.equal(['cancelled', 'cancelled']);
  });

  it('pin defect 16: a cancelled pipeline leaves nothing, and the receipt says how each thing ended', async () => {
    const started = await engine.start(`
      a: { image: busybox, network: shared, volumes: ["v:/v"], script: "echo up; sleep 60",
        services: { s: { image: busybox, command: [sleep, "60"] } } }`);
    await started.run.output.part('a').waitForText('up');
    const receipt = await started.cancel();
    expect(receipt).to.include({ clean: true });
    expect(receipt.released.map(({ kind, how }) => `${kind} ${how}`)).to.have.members([
      'container SIGTERM',
      'container SIGTERM',
      'network removed',
      'volume removed',
    ]);
  });

  it('a cancelled pipeline stops all its containers in parallel', async () => {
    const stubborn =
      '{ image: busybox, network: none, script: ["trap \'\' TERM", "echo up", "while true; do sleep 1; done"] }';
    const names = ['a', 'b', 'c', 'd'];
    const graceMs = 2_000;
    const started = await engine.start(names.map((name) => `${name}: ${stubborn}`).join('\n'), {
      stop: { signal: 'SIGTERM', graceMs },
    });
    await Promise.all(names.map((name) => started.run.output.part(name).waitForText('up')));
    const { released } = await started.cancel();
    expect(released.map(({ how }) => how)).to.deep.equal(['SIGKILL', 'SIGKILL', 'SIGKILL', 'SIGKILL']);
    const ends = started.run.events
      .filter(({ type }) => type === 'job-ended')
      .map(({ facts }) => Date.parse(String(facts['time'])));
    expect(Math.max(...ends) - Math.min(...ends)).to.be.lessThan(graceMs);
  });

  it('cancelling ends the delay before the next attempt', async () => {
    const started = await engine.start(
      'a: { image: busybox, network: none, retry: { attempts: 2, delay: 300 }, script: "false" }',
    );
    await started.run.waitForEvent('job-retrying');
    expect((await started.cancel()).clean).to.equal(true);
    expect(await statuses(started)).to.deep.equal(['cancelled']);
  });

  it('cancelling ends commands that run in a container', async () => {
    const started = await engine.start(
      'a: { image: busybox, network: none, soloExecution: true, script: ["echo up; sleep 60", "echo never"] }',
    );
    await started.run.output.part('a').waitForText('up');
    expect((await started.cancel()).clean).to.equal(true);
    expect(started.run.output.part('a').stdout()).to.equal('up\n');
  });

  it('cancelling does not wait for services to become healthy', async () => {
    const started = await engine.start(
      `a: { image: busybox, services: { s: { image: busybox, command: [sleep, "60"],
        health: { command: "false", interval: 60s } } } }`,
    );
    await waitUntil('the service runs', async () => (await engine.leftovers()).length >= 2);
    expect((await started.cancel()).clean).to.equal(true);
    expect(await statuses(started)).to.deep.equal(['cancelled']);
  });

  it('a pipeline cancelled before its start starts nothing', async () => {
    const started = await engine.start('a: { image: busybox, network: none, script: "true" }');
    const receipt = await started.cancel();
    expect(receipt.clean).to.equal(true);
  });

  it(`a pipeline cancelled at ${instants} instants leaves nothing`, async () => {
    const seed = Number(process.env['PIPELINE_CANCELS_SEED'] ?? process.hrtime()[1] % 1_000_000);
    const next = createRandom(seed);
    const receipts: Receipt[] = [];
    for (let at = 0; at < instants; at += 1) {
      const started = await engine.start(large, { stop: { signal: 'SIGTERM', graceMs: 500 } });
      // Count events instead of time, so that the test reaches every stage on a machine of any speed.
      const after = Math.floor(next() * 55);
      let over = false;
      void started.result
        .finally(() => {
          over = true;
        })
        .catch(() => {});
      await waitUntil(
        'the pipeline has emitted enough events',
        () => over || started.run.events.length >= after,
        30_000,
      );
      receipts.push(await started.cancel());
      expect(await engine.leftovers(), `seed ${seed}, instant ${at}, after ${after} events`).to.deep.equal([]);
    }
    for (const { clean, left } of receipts)
      expect({ clean, left }, `seed ${seed}`).to.deep.equal({ clean: true, left: [] });
  });
});
