// Tests the pipeline engine as its callers use it: invalid texts, whole pipelines and their results.

import { join } from 'node:path';
import { expect } from 'chai';
import Docker from 'dockerode';
import { pack } from 'tar-stream';
import type { Containers } from '../../../calls/contract/containers.ts';
import { WorkFailed, WorkLost } from '../../../calls/contract/engines.ts';
import { planText } from '../../../server/pipeline/engine.ts';
import { sharedEngineHost } from '../../helpers/docker/shared-engine.ts';
import { expectRejection } from '../../helpers/docker/test-engine.ts';
import {
  noPermissions,
  openTestPipelineEngine,
  type TestPipelineEngine,
} from '../../helpers/pipeline/test-pipeline-engine.ts';

describe('planning the text of a pipeline', () => {
  it('a valid text becomes a plan', () => {
    const { plan, diagnostics } = planText(
      'workflow: a b\na: { image: busybox, script: "true" }\nb: { image: busybox, script: "true" }\n',
    );
    expect(diagnostics).to.deep.equal([]);
    expect(plan?.stages).to.deep.equal([['a'], ['b']]);
  });

  it('cycles and missing permissions are reported with positions, in file order', () => {
    const text = [
      'a: { image: busybox, needs: [b], script: "true" }',
      'b: { image: busybox, needs: [a], script: "true", network: host }',
      'c: { host: true, script: "true" }',
      'd: { image: busybox, script: "true", secrets: [S], volumes: ["/etc:/etc"] }',
    ].join('\n');
    const { diagnostics } = planText(text, noPermissions);
    expect(diagnostics.map(({ line, job, field, message }) => [line, job, field, message])).to.deep.equal([
      [2, 'b', 'network', "the network of the host is not allowed: 'network: host'"],
      [2, 'b', 'needs', 'jobs wait for each other: a -> b -> a'],
      [3, 'c', 'host', 'host jobs are disabled'],
      [4, 'd', 'secrets', 'the secret "S" is not allowed for this pipeline'],
      [4, 'd', 'volumes', 'the folder "/etc" must not be mounted'],
    ]);
    expect(diagnostics.find(({ field }) => field === 'secrets')?.suggestions).to.deep.equal([
      'ask the operator to declare it under secrets and to list this call in its calls',
    ]);
    expect(
      planText(text.replace('needs: [b], ', ''), {
        hostJobs: true,
        mounts: ['/etc'],
        hostNetwork: true,
        engines: [],
        secrets: ['S'],
      }).diagnostics,
    ).to.deep.equal([]);
  });
});

describe('the pipeline engine', function () {
  this.timeout(60_000);
  let engine: TestPipelineEngine;

  before(async () => {
    engine = await openTestPipelineEngine();
  });
  after(() => engine.close());
  afterEach(async () => {
    expect(await engine.leftovers()).to.deep.equal([]);
  });

  it('an invalid text is rejected with all diagnostics, and nothing starts', async () => {
    const failure = await expectRejection(engine.run('workflow: a b\na: { image: busybox, script: 5 }\n'));
    expect(failure).to.be.instanceOf(WorkFailed);
    expect(failure.message.split('\n').length).to.be.greaterThan(1);
    for (const line of failure.message.split('\n')) expect(line).to.match(/^test\.yaml:\d+:\d+: /);
  });

  it('warnings of a text are emitted with their positions, and the pipeline runs', async () => {
    const { events, value } = await engine.run('a: { image: busybox, network: none, scrpt: "true", script: "true" }');
    expect(events('pipeline-warning')[0]).to.include({ line: 1 });
    expect(value.jobs[0]!.status).to.equal('succeeded');
  });

  it('pin defect 1: a failed job stops the pipeline: later jobs are skipped, and the run fails', async () => {
    const { value, ending, events } = await engine.run(`
      workflow: a b c
      a: { image: busybox, network: none, script: exit 4 }
      b: { image: busybox, network: none, script: echo never }
      c: { image: busybox, network: none, script: echo never }`);
    expect(value.jobs.map(({ status, reason }) => [status, reason])).to.deep.equal([
      ['failed', undefined],
      ['skipped', 'upstream_failed'],
      ['skipped', 'upstream_failed'],
    ]);
    expect(ending).to.deep.include({ failure: 'job "a" failed: command execution failed (exit code 4)', exitCode: 4 });
    expect(events('job-skipped')).to.have.lengthOf(2);
  });

  it('pin defect 2: a job after another job is retried until it succeeds', async () => {
    const { value, events } = await engine.run(`
      workflow: a b
      a: { image: busybox, network: none, volumes: ["n:/n"], script: "true" }
      b: { image: busybox, network: none, volumes: ["n:/n"], retry: { attempts: 3, delay: 0, backoff: 2 },
        script: "echo x >> /n/count; test $(wc -l < /n/count) = 3" }`);
    expect(value.jobs[1]).to.include({ status: 'succeeded', attempts: 3 });
    expect(events('job-retrying').map(({ attempt, message }) => [attempt, message])).to.deep.equal(
      [1, 2].map((attempt) => [attempt, 'command execution failed (exit code 1)']),
    );
  });

  it('pin defect 3: the next job starts after the container of the last job of a group is removed', async () => {
    const { run } = await engine.run(`
      workflow: p1 p2 last
      p1: { image: busybox, network: none, parallel: true, script: sleep 1 }
      p2: { image: busybox, network: none, parallel: true, script: "true" }
      last: { image: busybox, network: none, script: "true" }`);
    const order = run.events
      .filter(({ type, facts }) => type === 'job-ended' || (type === 'job-started' && facts['job'] === 'last'))
      .map(({ type, facts }) => `${type} ${String(facts['job'])}`);
    expect(order).to.deep.equal(['job-ended p2', 'job-ended p1', 'job-started last', 'job-ended last']);
    const removed = run.events.findIndex(
      ({ type, facts }) => type === 'job-step' && facts['job'] === 'p1' && facts['step'] === 'container-removed',
    );
    expect(removed).to.be.lessThan(
      run.events.findIndex(({ type, facts }) => type === 'job-started' && facts['job'] === 'last'),
    );
  });

  it('pin defect 12: a condition reads variables of the run, then of the gateway, never of env', async () => {
    const { value } = await engine.run(
      `
      workflow: a b c d
      a: { image: busybox, condition: '$BRANCH == "main"', network: none, script: "true" }
      b: { image: busybox, condition: '!$A', env: { A: "" }, network: none, script: "true" }
      c: { image: busybox, condition: '$GATEWAY', network: none, script: "true" }
      d: { image: busybox, condition: '$OWN', env: { OWN: "1" }, network: none, script: "true" }`,
      { variables: { BRANCH: 'main', A: '1' }, environment: { GATEWAY: 'yes', BRANCH: 'other' } },
    );
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'skipped', 'succeeded', 'skipped']);
  });

  it('every combination of a matrix evaluates its own condition', async () => {
    const { value } = await engine.run(
      'a: { image: busybox, network: none, matrix: { os: [x, y] }, condition: "$os == x", script: "test $os = x" }',
    );
    expect(value.jobs.map(({ id, status }) => [id, status])).to.deep.equal([
      ['a (os=x)', 'succeeded'],
      ['a (os=y)', 'skipped'],
    ]);
  });

  it('no more jobs run at once than the limit allows', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const { run } = await engine.run(
      names.map((name) => `${name}: { image: busybox, network: none, script: sleep 0.2 }`).join('\n'),
      { limits: { jobsMax: 2 } },
    );
    let runningJobs = 0;
    let most = 0;
    for (const { type } of run.events) {
      if (type === 'job-started') most = Math.max(most, (runningJobs += 1));
      if (type === 'job-ended') runningJobs -= 1;
    }
    expect(most).to.equal(2);
  });

  it('an image is built from the workspace, without what .dockerignore excludes', async () => {
    const files = {
      'ci/Dockerfile': 'FROM busybox:latest\nCOPY . /files\n',
      'ci/.dockerignore': '*.log\n',
      'ci/x.log': '',
      'ci/y': 'y\n',
      z: '',
    };
    const { stdout, steps, events, value } = await engine.run(
      '"My Job": { dockerfile: ci/Dockerfile, network: none, script: ls /files }',
      { files },
    );
    expect(value.jobs[0]!.status).to.equal('succeeded');
    expect(stdout('My Job'))
      .to.match(/\ny\n$/)
      .and.not.match(/x\.log\n$/m)
      .and.not.match(/^z$/m);
    expect(steps('My Job').slice(0, 2)).to.deep.equal(['image-building', 'image-built']);
    expect(events('job-step', 'My Job')[1]).to.include({ image: 'my-job-custom:latest', dockerfile: 'ci/Dockerfile' });
    await new Docker({ socketPath: (await sharedEngineHost()).replace('unix://', '') })
      .getImage('my-job-custom:latest')
      .remove();
  });

  it('a job whose image cannot be built fails with the reason', async () => {
    const { value } = await engine.run('a: { dockerfile: Dockerfile, network: none, script: "true" }', {
      files: { Dockerfile: 'FROM busybox:latest\nRUN exit 9\n' },
    });
    expect(value.jobs[0]!.message).to.match(/returned a non-zero code: 9/);
    expect(
      (await engine.run('a: { dockerfile: nowhere/Dockerfile, network: none, script: "true" }', { files: {} })).value
        .jobs[0]!.status,
    ).to.equal('failed');
  });

  it('the workspace can come from the input of the run, and no file of it remains', async () => {
    const archive = pack();
    archive.entry({ name: 'sent' }, 'sent\n');
    archive.finalize();
    const { run, result, release } = await engine.start(
      'a: { image: busybox, network: none, copyFiles: true, workDir: /w, script: cat sent }',
      { workspace: { from: 'input', encoding: 'binary' } },
    );
    for await (const piece of archive) run.sendInput(piece as Uint8Array);
    run.endInput();
    await result;
    expect(run.output.part('a').stdout()).to.equal('sent\n');
    const { clean, released } = await release();
    expect(clean).to.equal(true);
    expect(released.map(({ kind, how }) => [kind, how])).to.deep.include(['folder', 'removed']);
  });

  it('the input is discarded when no job uses files', async () => {
    const { run, result, release } = await engine.start('a: { image: busybox, network: none, script: "true" }', {
      workspace: { from: 'input', encoding: 'binary' },
    });
    await result;
    await release();
    expect(run.input.discarded).to.equal(true);
  });

  it('L3: the engine of the file is used if nothing forbids it, and causes a warning otherwise', async () => {
    const host = await sharedEngineHost();
    const text = (named: string): string =>
      `docker: { host: "${named}" }\na: { image: busybox, network: none, script: "true" }`;
    const passed = await engine.run(text('tcp://127.0.0.1:1'));
    expect(passed.value.jobs[0]!.status).to.equal('succeeded');
    expect(passed.events('pipeline-warning')[0]!['message']).to.match(
      /docker\.host "tcp:\/\/127\.0\.0\.1:1" is ignored/,
    );
    expect(
      (await expectRejection(engine.run(text('tcp://127.0.0.1:1'), { allow: { engines: ['tcp://127.0.0.1:1'] } })))
        .message,
    ).to.match(/no Docker engine answers/);
    expect((await engine.run(text(host), { allow: { engines: [host] } })).value.jobs[0]!.status).to.equal('succeeded');
    expect(
      (
        await engine.run(text('tcp://127.0.0.1:1'), {
          allow: { engines: ['tcp://127.0.0.1:1'] },
          environment: { DOCKER_HOST: host },
        })
      ).events('pipeline-warning')[0]!['message'],
    ).to.match(/"tcp:\/\/127\.0\.0\.1:1" is ignored: DOCKER_HOST/);
  });

  it('the pipeline rejects with WorkLost when the end of a job was not observed, and leaves nothing', async () => {
    const lost = new WorkLost('the Docker engine went away');
    const { run, result, release } = await engine.start(
      `
      workflow: a b c
      a: { image: busybox, network: none, parallel: true, script: "true" }
      b: { image: busybox, network: none, parallel: true, script: "echo up; sleep 60" }
      c: { image: busybox, network: none, script: echo never }`,
      {
        wrapContainers: (containers) =>
          loseJobEnd(containers, { job: 'a', lost, once: () => run.output.part('b').waitForText('up') }),
      },
    );
    expect(await expectRejection(result)).to.equal(lost);
    expect((await release()).clean).to.equal(true);
    const ended = run.events
      .filter(({ type }) => type === 'job-ended')
      .map(({ facts }) => [facts['job'], facts['status'], facts['message']]);
    expect(ended).to.have.deep.members([
      ['a', 'failed', 'the Docker engine went away'],
      ['b', 'cancelled', undefined],
    ]);
    expect(run.output.parts.has('c')).to.equal(false);
  });

  it('a job whose container another program kills fails with the exit code', async () => {
    const { run, result, release } = await engine.start(
      'a: { image: busybox, network: none, script: "echo up; sleep 60" }',
    );
    await run.output.part('a').waitForText('up');
    const id = String(run.events.find(({ facts }) => facts['step'] === 'container-started')!.facts['container']);
    await new Docker({ socketPath: (await sharedEngineHost()).replace('unix://', '') }).getContainer(id).kill();
    expect(await result).to.deep.include({
      failure: 'job "a" failed: command execution failed (exit code 137)',
      exitCode: 137,
    });
    await release();
  });

  it('a missing workspace fails the pipeline before anything starts', async () => {
    const failure = await expectRejection(
      engine.run('a: { image: busybox, copyFiles: true, script: "true" }', {
        workspace: { from: 'folder', path: join(engine.folder, 'absent') },
      }),
    );
    expect(failure).to.be.instanceOf(WorkFailed);
    expect(failure.message).to.match(/workspace/);
  });

  it('a pipeline of many jobs runs only a few of them at once', async () => {
    const names = Array.from({ length: 8 }, (_, at) => `j${at}`);
    const { run, value, receipt } = await engine.run(
      names.map((name) => `${name}: { image: busybox, network: none, script: "echo ${name}" }`).join('\n'),
      { limits: { jobsMax: 3 } },
    );
    expect(value.jobs.every(({ status }) => status === 'succeeded')).to.equal(true);
    expect(receipt.released).to.have.lengthOf(8);
    let active = 0;
    const counts = run.events.map(({ type }) => (active += type === 'job-started' ? 1 : type === 'job-ended' ? -1 : 0));
    expect(Math.max(...counts)).to.equal(3);
  });
});

/** Returns the same containers, but reports the end of one job as lost, as if the engine had disappeared. */
function loseJobEnd(
  containers: Containers,
  { job, lost, once }: { readonly job: string; readonly lost: Error; once(): Promise<void> },
): Containers {
  return {
    image: (request) => containers.image(request),
    build: (request) => containers.build(request),
    network: (name) => containers.network(name),
    volume: (name) => containers.volume(name),
    cache: (name) => containers.cache(name),
    create: async (spec) => {
      const container = await containers.create(spec);
      if (spec.job !== job) return container;
      return {
        name: container.name,
        id: container.id,
        put: (path, archive) => container.put(path, archive),
        get: (path) => container.get(path),
        exec: (command, options) => container.exec(command, options),
        remove: () => container.remove(),
        stop: () => container.stop(),
        start: async (output) => {
          await container.start(output);
          return { ended: once().then(() => Promise.reject(lost)) };
        },
      };
    },
  };
}
