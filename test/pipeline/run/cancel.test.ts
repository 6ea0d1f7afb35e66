// Pipelines that are cancelled: at any moment, with nothing left, and a receipt that says so.

import { expect } from 'chai';
import type { Receipt } from '../../../protocol/record.ts';
import { randomFrom } from '../../helpers/random.ts';
import { until } from '../../helpers/until.ts';
import { openStage, type Playing, type Stage } from './stage.ts';

/** At how many instants the large pipeline is cancelled; the long test takes 200. */
const instants = Number(process.env['PIPELINE_CANCELS'] ?? 12);

const large = `
  workflow: build p q shaky last
  build: { image: busybox, volumes: ["v:/v"], outputs: [X], artifactPath: /v, script: "echo X=1 > $DISTILLERY_OUTPUT; echo made > /v/x" }
  p:
    image: busybox
    parallel: true
    services: { web: { image: busybox, command: [sh, -c, "mkdir /www; exec httpd -f -p 80 -h /www"], health: { command: "true", interval: 50ms } } }
    script: sleep 0.2
  q: { image: busybox, parallel: true, network: shared, soloExecution: true, script: [sleep 0.1, sleep 0.1] }
  shaky: { image: busybox, network: none, parallel: true, retry: { attempts: 3, delay: 0 }, script: "false" }
  last: { image: busybox, network: none, when: always, script: sleep 0.1 }`;

describe('a pipeline that is cancelled', function () {
  this.timeout(60_000 + instants * 10_000);
  let stage: Stage;

  before(async () => { stage = await openStage(); });
  after(() => stage.close());
  afterEach(async () => { expect(await stage.left()).to.deep.equal([]); });

  async function statuses({ ending }: Playing): Promise<readonly unknown[]> {
    const { value } = await ending as unknown as { value: { jobs: { status: string; reason?: string }[] } };
    return value.jobs.map(({ status, reason }) => reason === undefined ? status : `${status}: ${reason}`);
  }

  it('pin defect 25: ends what runs, and starts nothing more', async () => {
    const playing = await stage.start(`
      workflow: a b c
      a: { image: busybox, network: none, parallel: true, script: "echo up; sleep 60" }
      b: { image: busybox, network: none, parallel: true, script: "echo up; sleep 60" }
      c: { image: busybox, network: none, when: always, script: echo never }`);
    await Promise.all(['a', 'b'].map((job) => playing.run.output.part(job).has('up')));
    const receipt = await playing.cancel();
    expect(await statuses(playing)).to.deep.equal(['cancelled', 'cancelled', 'skipped: cancelled']);
    expect(receipt.clean).to.equal(true);
    expect((await playing.ending).failure).to.equal(undefined);
    expect(playing.run.output.parts.get('c')).to.equal(undefined);
  });

  it('pin defect 16: has nothing left, and says with what each was ended', async () => {
    const playing = await stage.start(`
      a: { image: busybox, network: shared, volumes: ["v:/v"], services: { s: { image: busybox, command: [sleep, "60"] } }, script: "echo up; sleep 60" }`);
    await playing.run.output.part('a').has('up');
    const receipt = await playing.cancel();
    expect(receipt).to.include({ clean: true });
    expect(receipt.released.map(({ kind, how }) => `${kind} ${how}`)).to.have.members(['container SIGTERM', 'container SIGTERM', 'network removed', 'volume removed']);
  });

  it('gives all of its containers the grace at the same time', async () => {
    const stubborn = '{ image: busybox, network: none, script: ["trap \'\' TERM", "echo up", "while true; do sleep 1; done"] }';
    const names = ['a', 'b', 'c', 'd'];
    const graceMs = 2_000;
    const playing = await stage.start(names.map((name) => `${name}: ${stubborn}`).join('\n'), { stop: { signal: 'SIGTERM', graceMs } });
    await Promise.all(names.map((name) => playing.run.output.part(name).has('up')));
    const { released } = await playing.cancel();
    expect(released.map(({ how }) => how)).to.deep.equal(['SIGKILL', 'SIGKILL', 'SIGKILL', 'SIGKILL']);
    const ends = playing.run.events.filter(({ type }) => type === 'job-ended').map(({ facts }) => Date.parse(String(facts['time'])));
    expect(Math.max(...ends) - Math.min(...ends)).to.be.lessThan(graceMs);
  });

  it('ends the wait before the next try', async () => {
    const playing = await stage.start('a: { image: busybox, network: none, retry: { attempts: 2, delay: 300 }, script: "false" }');
    await playing.run.event('job-retrying');
    expect((await playing.cancel()).clean).to.equal(true);
    expect(await statuses(playing)).to.deep.equal(['cancelled']);
  });

  it('ends commands that are executed in a container', async () => {
    const playing = await stage.start('a: { image: busybox, network: none, soloExecution: true, script: ["echo up; sleep 60", "echo never"] }');
    await playing.run.output.part('a').has('up');
    expect((await playing.cancel()).clean).to.equal(true);
    expect(playing.run.output.part('a').stdout()).to.equal('up\n');
  });

  it('does not wait for services to get healthy', async () => {
    const playing = await stage.start('a: { image: busybox, services: { s: { image: busybox, command: [sleep, "60"], health: { command: "false", interval: 60s } } } }');
    await until('the service runs', async () => (await stage.left()).length >= 2);
    expect((await playing.cancel()).clean).to.equal(true);
    expect(await statuses(playing)).to.deep.equal(['cancelled']);
  });

  it('before it has begun starts nothing', async () => {
    const playing = await stage.start('a: { image: busybox, network: none, script: "true" }');
    const receipt = await playing.cancel();
    expect(receipt.clean).to.equal(true);
  });

  it(`leaves nothing at ${instants} instants`, async () => {
    const seed = Number(process.env['PIPELINE_CANCELS_SEED'] ?? Date.now() % 1_000_000);
    const next = randomFrom(seed);
    const receipts: Receipt[] = [];
    for (let at = 0; at < instants; at += 1) {
      const playing = await stage.start(large, { stop: { signal: 'SIGTERM', graceMs: 500 } });
      // Counted in what is told, and not in time: every stage is met, on a machine of any speed.
      const after = Math.floor(next() * 55);
      let over = false;
      void playing.ending.finally(() => { over = true; }).catch(() => {});
      await until('it is far enough', () => over || playing.run.events.length >= after, 30_000);
      receipts.push(await playing.cancel());
      expect(await stage.left(), `seed ${seed}, instant ${at}, after ${after} events`).to.deep.equal([]);
    }
    for (const { clean, left } of receipts) expect({ clean, left }, `seed ${seed}`).to.deep.equal({ clean: true, left: [] });
  });
});
