// Tests resources beside jobs or shared by them: services, networks, volumes, host folders and caches.

import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import Docker from 'dockerode';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { sharedEngineHost } from '../../helpers/docker/shared-engine.ts';
import { expectRejection } from '../../helpers/docker/test-engine.ts';
import { openTestPipelineEngine, type TestPipelineEngine } from '../../helpers/pipeline/test-pipeline-engine.ts';

const webService = (more = ''): string =>
  `{ image: busybox, command: [sh, -c, "mkdir /www; echo served > /www/x; exec httpd -f -p 80 -h /www"]${more} }`;

describe('services of a job', function () {
  this.timeout(60_000);
  let engine: TestPipelineEngine;

  before(async () => {
    engine = await openTestPipelineEngine();
  });
  after(() => engine.close());
  afterEach(async () => {
    expect(await engine.leftovers()).to.deep.equal([]);
  });

  it('a job finds its services by name; they are ready before it starts and are removed with it', async () => {
    const health = '{ command: "wget -qO- http://127.0.0.1/x", interval: 100ms, retries: 50 }';
    const { value, stdout, steps, receipt } = await engine.run(`
      a:
        image: busybox
        services: { web: ${webService(`, health: ${health}`)} }
        script: wget -qO- http://web/x`);
    expect(value.jobs[0]).to.include({ status: 'succeeded' });
    expect(stdout('a')).to.equal('served\n');
    expect(steps('a').slice(0, 4)).to.deep.equal([
      'image-available',
      'service-starting',
      'service-healthy',
      'container-creating',
    ]);
    expect(receipt.clean).to.equal(true);
    expect(receipt.released.map(({ kind }) => kind)).to.have.members(['container', 'container', 'network']);
  });

  it('services get their own environment and volumes shared with the job, but none of its secrets', async () => {
    const { stdout } = await engine.run(
      `
      a:
        image: busybox
        secrets: [S]
        services: { s: { image: busybox, env: { E: e }, volumes: ["v:/v"], 
          command: [sh, -c, "echo \\"$E [$S]\\" > /v/seen; sleep 60"] } }
        volumes: ["v:/v:ro"]
        script: "until test -s /v/seen; do sleep 0.05; done; cat /v/seen"`,
      { allow: { secrets: ['S'] }, secrets: { S: 'hidden' } },
    );
    expect(stdout('a')).to.equal('e []\n');
  });

  it('a service that does not become healthy fails the job, with its last output', async () => {
    const { value, stderr, steps } = await engine.run(`
      a:
        image: busybox
        services: { db: { image: busybox, command: [sh, -c, "echo no disk; sleep 60"],
          health: { command: "false", interval: 50ms, retries: 2 } } }
        script: echo never`);
    expect(value.jobs[0]).to.include({
      status: 'failed',
      message: 'service "db" is not healthy: "false" failed 2 times (exit code 1)',
    });
    expect(stderr('a')).to.equal('no disk\n');
    expect(steps('a')).not.to.include('container-creating');
  });

  it('a service that ends before it is healthy fails the job', async () => {
    const { value } = await engine.run(`
      a: { image: busybox, services: { db: { image: busybox, command: ["false"],
        health: { command: "true", interval: 5s } } } }`);
    expect(value.jobs[0]).to.include({ status: 'failed', message: 'service "db" ended with exit code 1' });
  });

  it('a service that ends with 0 before it is healthy fails the job', async () => {
    const { value } = await engine.run(`
      a: { image: busybox, services: { db: { image: busybox, command: ["true"],
        health: { command: "true", interval: 5s } } } }`);
    expect(value.jobs[0]).to.include({ status: 'failed', message: 'service "db" ended before it was healthy' });
  });

  it('P8: a service that ends with an error right after its start fails the job, with its last output', async () => {
    const { value, stderr } = await engine.run(`
      a: { image: busybox, services: { db: { image: busybox, command: [sh, -c, "echo no disk; exit 3"] } },
           script: "sleep 60" }`);
    expect(value.jobs[0]).to.include({ status: 'failed', message: 'service "db" ended with exit code 3' });
    expect(stderr('a')).to.equal('no disk\n');
  });

  it('P8: a service that ends with an error while the script runs stops the script and fails the job', async () => {
    const { value, stdout, receipt } = await engine.run(
      `a: { image: busybox, volumes: ["v:/v"],
            services: { db: { image: busybox, volumes: ["v:/v"],
              command: [sh, -c, "until test -e /v/go; do sleep 0.05; done; exit 3"] } },
            script: ["trap 'echo bye; exit 0' TERM", "touch /v/go", "sleep 60"] }`,
      { stop: { signal: 'SIGTERM', graceMs: 600_000 } },
    );
    expect(value.jobs[0]).to.include({ status: 'failed', message: 'service "db" ended with exit code 3' });
    expect(stdout('a')).to.equal('bye\n');
    expect(receipt.released.map(({ how }) => how)).to.include.members(['SIGTERM', 'exited']);
  });

  it('P8: a service whose command does not exist fails the job', async () => {
    const { value } = await engine.run(`
      a: { image: busybox, services: { db: { image: busybox, command: [no-such-program] } }, script: "sleep 60" }`);
    expect(value.jobs[0]!.message).to.match(/^service "db": cannot start the container: .*no-such-program/);
  });

  it('P8: a service that ends with 0 does not end its job', async () => {
    const { value } = await engine.run(`
      a: { image: busybox, volumes: ["v:/v"],
           services: { once: { image: busybox, volumes: ["v:/v"], command: [sh, -c, "echo done >/v/once"] } },
           script: ["until test -s /v/once; do sleep 0.05; done", "sleep 0.3"] }`);
    expect(value.jobs[0]).to.include({ status: 'succeeded' });
  });

  it('S6: a service is healthy as soon as its check succeeds, and the engine runs no checks of its own', async () => {
    const { value, stdout } = await engine.run(`
      a: { image: busybox, volumes: ["v:/v"],
           services: { db: { image: busybox, volumes: ["v:/v"], command: [sleep, "60"],
             health: { command: "echo x >>/v/tries; test $(wc -l </v/tries) -eq 3", interval: 50ms, retries: 3 } } },
           script: wc -l </v/tries }`);
    expect(value.jobs[0]).to.include({ status: 'succeeded' });
    expect(stdout('a').trim()).to.equal('3');
  });

  it('S6: a job whose service is not healthy fails with the reason of the last check', async () => {
    const check = (command: string): Promise<string | undefined> =>
      engine
        .run(
          `a: { image: busybox, services: { db: { image: busybox, command: [sleep, "60"],
                health: { command: "${command}", interval: 50ms, timeout: 100ms, retries: 1 } } } }`,
        )
        .then(({ value }) => value.jobs[0]!.message);
    expect(await check('echo no route >&2; exit 7')).to.match(/failed once \((exit code 7: no route|no result .*)\)$/);
    expect(await check('sleep 30')).to.match(/failed once \(no result within 0.1 s\)$/);
  });

  it('S6: failures during the start time of a service do not count', async () => {
    const { value } = await engine.run(`
      a: { image: busybox, volumes: ["v:/v"],
           services: { db: { image: busybox, volumes: ["v:/v"], command: [sleep, "60"],
             health: { command: "echo x >>/v/tries; test $(wc -l </v/tries) -ge 3", interval: 20ms, retries: 1,
               start: 60s } } },
           script: "true" }`);
    expect(value.jobs[0]).to.include({ status: 'succeeded' });
  });

  it('a service that fails ends the wait for all other services', async () => {
    const { value } = await engine.run(`
      a:
        image: busybox
        services:
          slow: { image: busybox, command: [sleep, "60"], health: { command: "false", interval: 60s } }
          gone: { image: busybox, command: ["false"], health: { command: "true", interval: 60s } }`);
    expect(value.jobs[0]!.message).to.match(/"gone" ended/);
  });

  it('networks for services are reused: a run with many jobs needs few networks', async () => {
    const jobs = Array.from(
      { length: 5 },
      (_, at) =>
        `j${at}: { image: busybox, services: { web: ${webService()} },
          script: "until wget -qO- http://web/x; do sleep 0.05; done" }`,
    );
    const { value, receipt } = await engine.run(`workflow: j0 j1 j2 j3 j4\n${jobs.join('\n')}`);
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(jobs.map(() => 'succeeded'));
    expect(receipt.released.filter(({ kind }) => kind === 'network')).to.have.lengthOf(1);
  });

  it('services are not visible to other jobs', async () => {
    const { value } = await engine.run(`
      a: { image: busybox, services: { web: ${webService()} },
        script: "until wget -qO- http://web/x; do sleep 0.05; done; sleep 1" }
      b: { image: busybox, script: "! wget -T 1 -qO- http://web/x" }`);
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded']);
  });

  it('services join the network that the job names', async () => {
    const { value } = await engine.run(`
      a: { image: busybox, network: shared, services: { web: ${webService()} },
        script: "until wget -qO- http://b-job/x; do sleep 0.05; done; touch /v/ok", volumes: ["v:/v"] }
      b-job: { image: busybox, network: shared, volumes: ["v:/v"],
        script: "mkdir /www; wget -qO /www/x http://web/x || sleep 1; wget -qO /www/x http://web/x;
        httpd -p 80 -h /www; until test -e /v/ok; do sleep 0.05; done" }`);
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded']);
  });
});

describe('volumes of jobs', function () {
  this.timeout(60_000);
  let engine: TestPipelineEngine;
  let folder: string;

  before(async () => {
    engine = await openTestPipelineEngine();
    folder = join(engine.folder, 'operator');
    await mkdir(join(folder, 'given', 'inside'), { recursive: true });
    await mkdir(join(folder, 'private'));
    await writeFile(join(folder, 'given', 'x'), 'given\n');
    await writeFile(join(folder, 'private', 'x'), 'private\n');
    await symlink('../private', join(folder, 'given', 'out'));
    await symlink('inside', join(folder, 'given', 'in'));
  });
  after(() => engine.close());
  afterEach(async () => {
    expect(await engine.leftovers()).to.deep.equal([]);
  });

  const jobThatReads = (volume: string): string =>
    `a: { image: busybox, network: none, volumes: ["${volume}"], script: cat /m/x }`;

  it('named volumes are shared by the jobs of a run and removed with it', async () => {
    const { stdout, receipt } = await engine.run(`
      workflow: a b
      a: { image: busybox, network: none, volumes: ["data:/d"], script: echo kept > /d/x }
      b: { image: busybox, network: none, volumes: ["data:/e:ro"], script: "cat /e/x; ! touch /e/y" }`);
    expect(stdout('b')).to.equal('kept\n');
    expect(receipt.released.map(({ kind }) => kind)).to.include('volume');
    expect(
      (await engine.run('a: { image: busybox, network: none, volumes: ["data:/d"], script: ls /d }')).stdout('a'),
    ).to.equal('');
  });

  it('cache volumes remain after the run', async () => {
    const name = `c-${process.pid}`;
    await engine.run(`a: { image: busybox, network: none, cache: ["${name}:/c"], script: echo one >> /c/x }`);
    const { stdout } = await engine.run(
      `a: { image: busybox, network: none, cache: ["${name}:/c"], script: "echo two >> /c/x; cat /c/x" }`,
    );
    expect(stdout('a')).to.equal('one\ntwo\n');
    const docker = new Docker({ socketPath: (await sharedEngineHost()).replace('unix://', '') });
    const { Volumes } = await docker.listVolumes({ filters: { label: [`distillery.cache=${name}`] } });
    for (const volume of Volumes) await docker.getVolume(volume.Name).remove();
  });

  it('host folders can be mounted if the operator allows them', async () => {
    const { stdout } = await engine.run(jobThatReads(`${folder}/given:/m`), {
      allow: { mounts: [join(folder, 'given')] },
    });
    expect(stdout('a')).to.equal('given\n');
    expect((await engine.run(jobThatReads(`${folder}/private:/m`), { allow: { mounts: true } })).stdout('a')).to.equal(
      'private\n',
    );
  });

  for (const [words, volume, mounts] of [
    ['nothing is allowed', 'given', []],
    ['another folder is allowed', 'private', ['given']],
    ['its name only begins like that of an allowed folder', 'given2', ['given']],
    ['a link leads out of an allowed folder', 'given/out', ['given']],
    ['its path leads out of an allowed folder', 'given/../private', ['given']],
  ] as const) {
    it(`a host folder cannot be mounted when ${words}`, async () => {
      if (volume === 'given2') await mkdir(join(folder, volume), { recursive: true });
      const failure = await expectRejection(
        engine.run(jobThatReads(`${folder}/${volume}:/m`), {
          allow: { mounts: mounts.map((one) => join(folder, one)) },
        }),
      );
      expect(failure).to.be.instanceOf(WorkFailed);
      expect(failure.message).to.match(/must not be mounted/);
    });
  }

  it('host folders can be mounted through links inside an allowed folder, which can itself be a link', async () => {
    await writeFile(join(folder, 'given', 'inside', 'x'), 'inside\n');
    expect(
      (await engine.run(jobThatReads(`${folder}/given/in:/m`), { allow: { mounts: [join(folder, 'given')] } })).stdout(
        'a',
      ),
    ).to.equal('inside\n');
    await symlink(join(folder, 'given'), join(folder, 'linked'));
    expect(
      (await engine.run(jobThatReads(`${folder}/given:/m`), { allow: { mounts: [join(folder, 'linked')] } })).stdout(
        'a',
      ),
    ).to.equal('given\n');
  });

  it("relative folders can be mounted only from an operator's file", async () => {
    expect((await engine.run(jobThatReads('./given:/m'), { folder })).stdout('a')).to.equal('given\n');
    expect((await expectRejection(engine.run(jobThatReads('./given:/m')))).message).to.match(
      /relative to the pipeline's file/,
    );
  });

  it('a missing host folder fails the job only at its start, because an earlier job might create it', async () => {
    const { value } = await engine.run(jobThatReads('./absent:/m'), { folder });
    expect(value.jobs[0]).to.include({
      status: 'failed',
      message: 'folder "./absent" cannot be mounted: it does not exist',
    });
  });

  it('host folders are writable unless they are mounted read-only', async () => {
    await engine.run('a: { image: busybox, network: none, volumes: ["./given:/m"], script: echo written > /m/y }', {
      folder,
    });
    expect(await readFile(join(folder, 'given', 'y'), 'utf8')).to.equal('written\n');
    const { value } = await engine.run(
      'a: { image: busybox, network: none, volumes: ["./given:/m:ro"], script: echo written > /m/z }',
      { folder },
    );
    expect(value.jobs[0]!.status).to.equal('failed');
  });
});
