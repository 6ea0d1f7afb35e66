// What jobs have beside them and share: services, networks, volumes, folders of the machine, caches.

import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import Docker from 'dockerode';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { failureOf } from '../../docker/setup.ts';
import { sharedEngine } from '../../helpers/engine.ts';
import { openStage, type Stage } from './stage.ts';

const web = (more = ''): string => `{ image: busybox, command: [sh, -c, "mkdir /www; echo served > /www/x; exec httpd -f -p 80 -h /www"]${more} }`;

describe('services of a job', function () {
  this.timeout(60_000);
  let stage: Stage;

  before(async () => { stage = await openStage(); });
  after(() => stage.close());
  afterEach(async () => { expect(await stage.left()).to.deep.equal([]); });

  it('are found by their names, ready before the job begins, and gone with it', async () => {
    const { value, stdout, steps, receipt } = await stage.play(`
      a:
        image: busybox
        services: { web: ${web(', health: { command: "wget -qO- http://127.0.0.1/x", interval: 100ms, retries: 50 }')} }
        script: wget -qO- http://web/x`);
    expect(value.jobs[0]).to.include({ status: 'succeeded' });
    expect(stdout('a')).to.equal('served\n');
    expect(steps('a').slice(0, 4)).to.deep.equal(['image-available', 'service-starting', 'service-healthy', 'container-creating']);
    expect(receipt.clean).to.equal(true);
    expect(receipt.released.map(({ kind }) => kind)).to.have.members(['container', 'container', 'network']);
  });

  it('get their own environment, volumes that they share with the job, and nothing of its secrets', async () => {
    const { stdout } = await stage.play(`
      a:
        image: busybox
        secrets: [S]
        services: { s: { image: busybox, env: { E: e }, volumes: ["v:/v"], command: [sh, -c, "echo \\"$E [$S]\\" > /v/told; sleep 60"] } }
        volumes: ["v:/v:ro"]
        script: "until test -s /v/told; do sleep 0.05; done; cat /v/told"`, { allow: { secrets: ['S'] }, secrets: { S: 'hidden' } });
    expect(stdout('a')).to.equal('e []\n');
  });

  it('make the job fail when they do not get healthy, with the last they said', async () => {
    const { value, stderr, steps } = await stage.play(`
      a:
        image: busybox
        services: { db: { image: busybox, command: [sh, -c, "echo no disk; sleep 60"], health: { command: "false", interval: 50ms, retries: 2 } } }
        script: echo never`);
    expect(value.jobs[0]).to.include({ status: 'failed', message: 'service "db" is not healthy: "false" failed 2 times' });
    expect(stderr('a')).to.equal('no disk\n');
    expect(steps('a')).not.to.include('container-creating');
  });

  it('make the job fail when they end before they are healthy', async () => {
    const { value } = await stage.play(`
      a: { image: busybox, services: { db: { image: busybox, command: ["false"], health: { command: "true", interval: 5s } } } }`);
    expect(value.jobs[0]).to.include({ status: 'failed', message: 'service "db" ended before it was healthy' });
  });

  it('of which one fails are not waited for any longer', async () => {
    const { value } = await stage.play(`
      a:
        image: busybox
        services:
          slow: { image: busybox, command: [sleep, "60"], health: { command: "false", interval: 60s } }
          gone: { image: busybox, command: ["false"], health: { command: "true", interval: 60s } }`);
    expect(value.jobs[0]!.message).to.match(/"gone" ended/);
  });

  it('leave their network to the next job: a run with many jobs has few networks', async () => {
    const jobs = Array.from({ length: 5 }, (_, at) => `j${at}: { image: busybox, services: { web: ${web()} }, script: "until wget -qO- http://web/x; do sleep 0.05; done" }`);
    const { value, receipt } = await stage.play(`workflow: j0 j1 j2 j3 j4\n${jobs.join('\n')}`);
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(jobs.map(() => 'succeeded'));
    expect(receipt.released.filter(({ kind }) => kind === 'network')).to.have.lengthOf(1);
  });

  it('are seen by no other job', async () => {
    const { value } = await stage.play(`
      a: { image: busybox, services: { web: ${web()} }, script: "until wget -qO- http://web/x; do sleep 0.05; done; sleep 1" }
      b: { image: busybox, script: "! wget -T 1 -qO- http://web/x" }`);
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded']);
  });

  it('join the network that the job names', async () => {
    const { value } = await stage.play(`
      a: { image: busybox, network: shared, services: { web: ${web()} }, script: "until wget -qO- http://b-job/x; do sleep 0.05; done; touch /v/ok", volumes: ["v:/v"] }
      b-job: { image: busybox, network: shared, volumes: ["v:/v"], script: "mkdir /www; wget -qO /www/x http://web/x || sleep 1; wget -qO /www/x http://web/x; httpd -p 80 -h /www; until test -e /v/ok; do sleep 0.05; done" }`);
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded']);
  });
});

describe('volumes of jobs', function () {
  this.timeout(60_000);
  let stage: Stage;
  let folder: string;

  before(async () => {
    stage = await openStage();
    folder = join(stage.folder, 'operator');
    await mkdir(join(folder, 'given', 'inside'), { recursive: true });
    await mkdir(join(folder, 'private'));
    await writeFile(join(folder, 'given', 'x'), 'given\n');
    await writeFile(join(folder, 'private', 'x'), 'private\n');
    await symlink('../private', join(folder, 'given', 'out'));
    await symlink('inside', join(folder, 'given', 'in'));
  });
  after(() => stage.close());
  afterEach(async () => { expect(await stage.left()).to.deep.equal([]); });

  const reading = (volume: string): string => `a: { image: busybox, network: none, volumes: ["${volume}"], script: cat /m/x }`;

  it('are shared by the jobs of a run, and gone with it', async () => {
    const { stdout, receipt } = await stage.play(`
      workflow: a b
      a: { image: busybox, network: none, volumes: ["data:/d"], script: echo kept > /d/x }
      b: { image: busybox, network: none, volumes: ["data:/e:ro"], script: "cat /e/x; ! touch /e/y" }`);
    expect(stdout('b')).to.equal('kept\n');
    expect(receipt.released.map(({ kind }) => kind)).to.include('volume');
    expect((await stage.play('a: { image: busybox, network: none, volumes: ["data:/d"], script: ls /d }')).stdout('a')).to.equal('');
  });

  it('that are caches stay', async () => {
    const name = `c-${process.pid}`;
    await stage.play(`a: { image: busybox, network: none, cache: ["${name}:/c"], script: echo one >> /c/x }`);
    const { stdout } = await stage.play(`a: { image: busybox, network: none, cache: ["${name}:/c"], script: "echo two >> /c/x; cat /c/x" }`);
    expect(stdout('a')).to.equal('one\ntwo\n');
    const docker = new Docker({ socketPath: (await sharedEngine()).replace('unix://', '') });
    const { Volumes } = await docker.listVolumes({ filters: { label: [`distillery.cache=${name}`] } });
    for (const volume of Volumes) await docker.getVolume(volume.Name).remove();
  });

  it('may be folders of the machine where the operator allows them', async () => {
    const { stdout } = await stage.play(reading(`${folder}/given:/m`), { allow: { mounts: [join(folder, 'given')] } });
    expect(stdout('a')).to.equal('given\n');
    expect((await stage.play(reading(`${folder}/private:/m`), { allow: { mounts: true } })).stdout('a')).to.equal('private\n');
  });

  for (const [words, volume, mounts] of [
    ['nothing is allowed', 'given', []],
    ['another folder is allowed', 'private', ['given']],
    ['its name begins as that of one', 'given2', ['given']],
    ['a link leads out of one', 'given/out', ['given']],
    ['its path leads out of one', 'given/../private', ['given']],
  ] as const) {
    it(`may not be folders of the machine when ${words}`, async () => {
      if (volume === 'given2') await mkdir(join(folder, volume), { recursive: true });
      const failure = await failureOf(stage.play(reading(`${folder}/${volume}:/m`), { allow: { mounts: mounts.map((one) => join(folder, one)) } }));
      expect(failure).to.be.instanceOf(WorkFailed);
      expect(failure.message).to.match(/may not be mounted/);
    });
  }

  it('may be reached by links that stay inside, and where what is allowed is a link itself', async () => {
    await writeFile(join(folder, 'given', 'inside', 'x'), 'inside\n');
    expect((await stage.play(reading(`${folder}/given/in:/m`), { allow: { mounts: [join(folder, 'given')] } })).stdout('a')).to.equal('inside\n');
    await symlink(join(folder, 'given'), join(folder, 'linked'));
    expect((await stage.play(reading(`${folder}/given:/m`), { allow: { mounts: [join(folder, 'linked')] } })).stdout('a')).to.equal('given\n');
  });

  it('may be relative to the file of an operator, and to nothing else', async () => {
    expect((await stage.play(reading('./given:/m'), { folder })).stdout('a')).to.equal('given\n');
    expect((await failureOf(stage.play(reading('./given:/m')))).message).to.match(/relative to the pipeline's file/);
  });

  it('that are not there make the job fail, as an earlier one might have made them', async () => {
    const { value } = await stage.play(reading('./absent:/m'), { folder });
    expect(value.jobs[0]).to.include({ status: 'failed', message: 'folder "./absent" cannot be mounted: there is no such folder' });
  });

  it('of this machine are written to, unless they are read-only', async () => {
    await stage.play('a: { image: busybox, network: none, volumes: ["./given:/m"], script: echo written > /m/y }', { folder });
    expect(await readFile(join(folder, 'given', 'y'), 'utf8')).to.equal('written\n');
    const { value } = await stage.play('a: { image: busybox, network: none, volumes: ["./given:/m:ro"], script: echo written > /m/z }', { folder });
    expect(value.jobs[0]!.status).to.equal('failed');
  });
});
