// The engine as others have it: texts that are refused, the way through a whole pipeline, and what it comes to.

import { join } from 'node:path';
import { expect } from 'chai';
import Docker from 'dockerode';
import { pack } from 'tar-stream';
import type { Containers } from '../../../calls/contract/containers.ts';
import { WorkFailed, WorkLost } from '../../../calls/contract/engines.ts';
import { checkPipeline, planText } from '../../../server/pipeline/engine.ts';
import { failureOf } from '../../docker/setup.ts';
import { sharedEngine } from '../../helpers/engine.ts';
import { nothingAllowed, openStage, type Stage } from './stage.ts';

describe('a text', () => {
  it('that is valid becomes a plan', () => {
    const { plan, complaints } = planText('workflow: a b\na: { image: busybox, script: "true" }\nb: { image: busybox, script: "true" }\n');
    expect(complaints).to.deep.equal([]);
    expect(plan?.stages).to.deep.equal([['a'], ['b']]);
  });

  it('that goes in circles, or asks for what is not allowed, is complained of with places, in the order of the file', () => {
    const text = [
      'a: { image: busybox, needs: [b], script: "true" }',
      'b: { image: busybox, needs: [a], script: "true", network: host }',
      'c: { host: true, script: "true" }',
      'd: { image: busybox, script: "true", secrets: [S], volumes: ["/etc:/etc"] }',
    ].join('\n');
    const complaints = checkPipeline(text, nothingAllowed);
    expect(complaints.map(({ line, job, field, message }) => [line, job, field, message])).to.deep.equal([
      [2, 'b', 'network', "the network of the host may not be used: 'network: host'"],
      [2, 'b', 'needs', 'jobs wait for each other: a -> b -> a'],
      [3, 'c', 'host', 'host jobs are disabled'],
      [4, 'd', 'secrets', 'the secret "S" is not one that this pipeline may use'],
      [4, 'd', 'volumes', 'folder "/etc" may not be mounted'],
    ]);
    expect(complaints.find(({ field }) => field === 'secrets')?.suggestions).to.deep.equal(['have the operator declare it under secrets, with this call among its calls']);
    expect(checkPipeline(text.replace('needs: [b], ', ''), { hostJobs: true, mounts: ['/etc'], hostNetwork: true, engines: [], secrets: ['S'] })).to.deep.equal([]);
  });
});

describe('the engine for pipelines', function () {
  this.timeout(60_000);
  let stage: Stage;

  before(async () => { stage = await openStage(); });
  after(() => stage.close());
  afterEach(async () => { expect(await stage.left()).to.deep.equal([]); });

  it('refuses a text with all that is wrong, and starts nothing', async () => {
    const failure = await failureOf(stage.play('workflow: a b\na: { image: busybox, script: 5 }\n'));
    expect(failure).to.be.instanceOf(WorkFailed);
    expect(failure.message.split('\n').length).to.be.greaterThan(1);
    for (const line of failure.message.split('\n')) expect(line).to.match(/^test\.yaml:\d+:\d+: /);
  });

  it('tells warnings of the text with their places, and runs it all the same', async () => {
    const { told, value } = await stage.play('a: { image: busybox, network: none, scrpt: "true", script: "true" }');
    expect(told('pipeline-warning')[0]).to.include({ line: 1 });
    expect(value.jobs[0]!.status).to.equal('succeeded');
  });

  it('pin defect 1: stops behind a failure: the others do not run, and the run has failed', async () => {
    const { value, ending, told } = await stage.play(`
      workflow: a b c
      a: { image: busybox, network: none, script: exit 4 }
      b: { image: busybox, network: none, script: echo never }
      c: { image: busybox, network: none, script: echo never }`);
    expect(value.jobs.map(({ status, reason }) => [status, reason])).to.deep.equal([['failed', undefined], ['skipped', 'upstream_failed'], ['skipped', 'upstream_failed']]);
    expect(ending).to.deep.include({ failure: 'job "a" failed: command execution failed (exit code 4)', exitCode: 4 });
    expect(told('job-skipped')).to.have.lengthOf(2);
  });

  it('pin defect 2: tries again behind another job, until it succeeds', async () => {
    const { value, told } = await stage.play(`
      workflow: a b
      a: { image: busybox, network: none, volumes: ["n:/n"], script: "true" }
      b: { image: busybox, network: none, volumes: ["n:/n"], retry: { attempts: 3, delay: 0, backoff: 2 }, script: "echo x >> /n/count; test $(wc -l < /n/count) = 3" }`);
    expect(value.jobs[1]).to.include({ status: 'succeeded', attempts: 3 });
    expect(told('job-retrying').map(({ attempt, message }) => [attempt, message])).to.deep.equal([1, 2].map((attempt) => [attempt, 'command execution failed (exit code 1)']));
  });

  it('pin defect 3: starts what follows a group when the last of the group is gone', async () => {
    const { run } = await stage.play(`
      workflow: p1 p2 last
      p1: { image: busybox, network: none, parallel: true, script: sleep 1 }
      p2: { image: busybox, network: none, parallel: true, script: "true" }
      last: { image: busybox, network: none, script: "true" }`);
    const order = run.events.filter(({ type, facts }) => type === 'job-ended' || (type === 'job-started' && facts['job'] === 'last')).map(({ type, facts }) => `${type} ${String(facts['job'])}`);
    expect(order).to.deep.equal(['job-ended p2', 'job-ended p1', 'job-started last', 'job-ended last']);
    const removed = run.events.findIndex(({ type, facts }) => type === 'job-step' && facts['job'] === 'p1' && facts['step'] === 'container-removed');
    expect(removed).to.be.lessThan(run.events.findIndex(({ type, facts }) => type === 'job-started' && facts['job'] === 'last'));
  });

  it('pin defect 12: asks conditions of the variables of the run, then of the gateway, never of env', async () => {
    const { value } = await stage.play(`
      workflow: a b c d
      a: { image: busybox, condition: '$BRANCH == "main"', network: none, script: "true" }
      b: { image: busybox, condition: '!$A', env: { A: "" }, network: none, script: "true" }
      c: { image: busybox, condition: '$GATEWAY', network: none, script: "true" }
      d: { image: busybox, condition: '$OWN', env: { OWN: "1" }, network: none, script: "true" }`, { variables: { BRANCH: 'main', A: '1' }, environment: { GATEWAY: 'yes', BRANCH: 'other' } });
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'skipped', 'succeeded', 'skipped']);
  });

  it('asks the condition of each combination of a matrix for itself', async () => {
    const { value } = await stage.play('a: { image: busybox, network: none, matrix: { os: [x, y] }, condition: "$os == x", script: "test $os = x" }');
    expect(value.jobs.map(({ id, status }) => [id, status])).to.deep.equal([['a (os=x)', 'succeeded'], ['a (os=y)', 'skipped']]);
  });

  it('runs no more jobs at once than the limit says', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const { run } = await stage.play(names.map((name) => `${name}: { image: busybox, network: none, script: sleep 0.2 }`).join('\n'), { limits: { jobsMax: 2 } });
    let going = 0;
    let most = 0;
    for (const { type } of run.events) {
      if (type === 'job-started') most = Math.max(most, going += 1);
      if (type === 'job-ended') going -= 1;
    }
    expect(most).to.equal(2);
  });

  it('builds images from the workspace, without what .dockerignore says', async () => {
    const files = { 'ci/Dockerfile': 'FROM busybox:latest\nCOPY . /files\n', 'ci/.dockerignore': '*.log\n', 'ci/x.log': '', 'ci/y': 'y\n', 'z': '' };
    const { stdout, steps, told, value } = await stage.play('"My Job": { dockerfile: ci/Dockerfile, network: none, script: ls /files }', { files });
    expect(value.jobs[0]!.status).to.equal('succeeded');
    expect(stdout('My Job')).to.match(/\ny\n$/).and.not.match(/x\.log\n$/m).and.not.match(/^z$/m);
    expect(steps('My Job').slice(0, 2)).to.deep.equal(['image-building', 'image-built']);
    expect(told('job-step', 'My Job')[1]).to.include({ image: 'my-job-custom:latest', dockerfile: 'ci/Dockerfile' });
    await new Docker({ socketPath: (await sharedEngine()).replace('unix://', '') }).getImage('my-job-custom:latest').remove();
  });

  it('fails a job whose image cannot be built, with the reason', async () => {
    const { value } = await stage.play('a: { dockerfile: Dockerfile, network: none, script: "true" }', { files: { Dockerfile: 'FROM busybox:latest\nRUN exit 9\n' } });
    expect(value.jobs[0]!.message).to.match(/returned a non-zero code: 9/);
    expect((await stage.play('a: { dockerfile: nowhere/Dockerfile, network: none, script: "true" }', { files: {} })).value.jobs[0]!.status).to.equal('failed');
  });

  it('takes the workspace from the input of the run, and leaves no file of it', async () => {
    const archive = pack();
    archive.entry({ name: 'sent' }, 'sent\n');
    archive.finalize();
    const { run, ending, release } = await stage.start('a: { image: busybox, network: none, copyFiles: true, workDir: /w, script: cat sent }', { workspace: { from: 'input', encoding: 'binary' } });
    for await (const piece of archive) run.feed(piece as Uint8Array);
    run.endInput();
    await ending;
    expect(run.output.part('a').stdout()).to.equal('sent\n');
    const { clean, released } = await release();
    expect(clean).to.equal(true);
    expect(released.map(({ kind, how }) => [kind, how])).to.deep.include(['folder', 'removed']);
  });

  it('drops the input when no job wants files', async () => {
    const { run, ending, release } = await stage.start('a: { image: busybox, network: none, script: "true" }', { workspace: { from: 'input', encoding: 'binary' } });
    await ending;
    await release();
    expect(run.input.discarded).to.equal(true);
  });

  it('takes the engine that the file names where the operator allows that, and else warns', async () => {
    const host = await sharedEngine();
    const text = (named: string): string => `docker: { host: "${named}" }\na: { image: busybox, network: none, script: "true" }`;
    const passed = await stage.play(text('tcp://127.0.0.1:1'));
    expect(passed.value.jobs[0]!.status).to.equal('succeeded');
    expect(passed.told('pipeline-warning')[0]!['message']).to.match(/docker\.host "tcp:\/\/127\.0\.0\.1:1" is passed over/);
    expect((await failureOf(stage.play(text('tcp://127.0.0.1:1'), { allow: { engines: ['tcp://127.0.0.1:1'] } }))).message).to.match(/no Docker engine answers/);
    expect((await stage.play(text(host), { allow: { engines: [host] } })).value.jobs[0]!.status).to.equal('succeeded');
    expect((await stage.play(text('tcp://127.0.0.1:1'), { allow: { engines: ['tcp://127.0.0.1:1'] }, environment: { DOCKER_HOST: host } })).told('pipeline-warning')).to.deep.equal([]);
  });

  it('does not know how it ended when the end of a job was not seen, and leaves nothing', async () => {
    const lost = new WorkLost('the Docker engine went away');
    const { run, ending, release } = await stage.start(`
      workflow: a b c
      a: { image: busybox, network: none, parallel: true, script: "true" }
      b: { image: busybox, network: none, parallel: true, script: "echo up; sleep 60" }
      c: { image: busybox, network: none, when: always, script: echo never }`, { between: (containers) => losing(containers, { job: 'a', lost, once: () => run.output.part('b').has('up') }) });
    expect(await failureOf(ending)).to.equal(lost);
    expect((await release()).clean).to.equal(true);
    const ended = run.events.filter(({ type }) => type === 'job-ended').map(({ facts }) => [facts['job'], facts['status'], facts['message']]);
    expect(ended).to.have.deep.members([['a', 'failed', 'the Docker engine went away'], ['b', 'cancelled', undefined]]);
    expect(run.output.parts.has('c')).to.equal(false);
  });

  it('fails with the exit code when somebody else kills a container', async () => {
    const { run, ending, release } = await stage.start('a: { image: busybox, network: none, script: "echo up; sleep 60" }');
    await run.output.part('a').has('up');
    const id = String(run.events.find(({ facts }) => facts['step'] === 'container-started')!.facts['container']);
    await new Docker({ socketPath: (await sharedEngine()).replace('unix://', '') }).getContainer(id).kill();
    expect(await ending).to.deep.include({ failure: 'job "a" failed: command execution failed (exit code 137)', exitCode: 137 });
    await release();
  });

  it('fails before anything starts when the workspace is not there', async () => {
    const failure = await failureOf(stage.play('a: { image: busybox, copyFiles: true, script: "true" }', { workspace: { from: 'folder', path: join(stage.folder, 'absent') } }));
    expect(failure).to.be.instanceOf(WorkFailed);
    expect(failure.message).to.match(/workspace/);
  });


  it('runs many jobs, a few at a time', async () => {
    const names = Array.from({ length: 30 }, (_, at) => `j${at}`);
    const { value, receipt } = await stage.play(names.map((name) => `${name}: { image: busybox, network: none, script: "echo ${name}" }`).join('\n'), { limits: { jobsMax: 4 } });
    expect(value.jobs.every(({ status }) => status === 'succeeded')).to.equal(true);
    expect(receipt.released).to.have.lengthOf(30);
  });
});

/** The same containers, but the end of one job is not seen, as when the engine goes away under it. */
function losing(containers: Containers, { job, lost, once }: { readonly job: string; readonly lost: Error; once(): Promise<void> }): Containers {
  return {
    image: (wish) => containers.image(wish), build: (wish) => containers.build(wish), network: (name) => containers.network(name),
    volume: (name) => containers.volume(name), cache: (name) => containers.cache(name),
    create: async (spec) => {
      const made = await containers.create(spec);
      if (spec.job !== job) return made;
      return {
        name: made.name, id: made.id, put: (path, archive) => made.put(path, archive), get: (path) => made.get(path), health: () => made.health(),
        exec: (command, options) => made.exec(command, options), remove: () => made.remove(), stop: () => made.stop(),
        start: async (output) => {
          await made.start(output);
          return { ended: once().then(() => Promise.reject(lost)) };
        },
      };
    },
  };
}
