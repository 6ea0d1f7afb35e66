// Tests jobs that run on the gateway's own machine.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { expectRejection } from '../../helpers/docker/test-engine.ts';
import { leftoverProcesses } from '../../helpers/leftovers.ts';
import {
  openTestPipelineEngine,
  type PipelineOptions,
  type TestPipelineEngine,
} from '../../helpers/pipeline/test-pipeline-engine.ts';

describe('a host job', function () {
  this.timeout(60_000);
  let engine: TestPipelineEngine;

  before(async () => {
    engine = await openTestPipelineEngine();
  });
  after(() => engine.close());

  const allowed = { allow: { hostJobs: true } } satisfies PipelineOptions;

  it('a host job is rejected with its position unless the operator allows it', async () => {
    expect((await expectRejection(engine.run('a: { host: true, script: "true" }'))).message).to.match(
      /^test\.yaml:1:\d+: a\.host: host jobs are disabled/,
    );
  });

  it('a host job runs in the workspace with variables and env', async () => {
    const { stdout, value, steps, receipt } = await engine.run(
      `
      a: { host: true, env: { E: own }, script: ['cat file', 'x=1', 'echo $x $E $V'] }`,
      { ...allowed, files: { file: 'here\n' }, variables: { V: 'v' } },
    );
    expect(stdout('a')).to.equal('here\n1 own v\n');
    expect(value.jobs[0]).to.include({ status: 'succeeded' });
    expect(steps('a')).to.deep.equal(['host-started', 'shell-started', 'script-succeeded']);
    expect(receipt.clean).to.equal(true);
  });

  it('P2: a host job opens its standard streams by path', async () => {
    const { stdout, stderr } = await engine.run(
      "a: { host: true, script: ['echo out > /proc/self/fd/1', 'echo err > /dev/stderr', 'cat /dev/stdin'] }",
      allowed,
    );
    expect(stdout('a')).to.equal('out\n');
    expect(stderr('a')).to.equal('err\n');
  });

  it('pin defect 30: a host job has its env', async () => {
    expect((await engine.run('a: { host: true, env: [A=b], script: echo $A }', allowed)).stdout('a')).to.equal('b\n');
  });

  it('a host job runs in its workDir, or in the workspace if its workDir is /root', async () => {
    const files = { file: '' };
    expect(
      (await engine.run('a: { host: true, workDir: /usr, script: pwd }', { ...allowed, files })).stdout('a'),
    ).to.equal('/usr\n');
    expect(
      (
        await engine.run('a: { host: true, workDir: sub, script: ls }', { ...allowed, files: { 'sub/inner': '' } })
      ).stdout('a'),
    ).to.equal('inner\n');
    expect(
      (await engine.run('a: { host: true, workDir: /root, script: ls }', { ...allowed, files })).stdout('a'),
    ).to.equal('file\n');
  });

  it('a host job fails at the first failing command with its exit status', async () => {
    const { value, stdout } = await engine.run(
      'a: { host: true, script: ["echo one", "(exit 7)", "echo two"] }',
      allowed,
    );
    expect(stdout('a')).to.equal('one\n');
    expect(value.jobs[0]).to.include({ status: 'failed', message: 'exit status 7', exitCode: 7 });
  });

  it('a host job with soloExecution uses a new shell for each command', async () => {
    const { stdout, events } = await engine.run(
      'a: { host: true, soloExecution: true, script: ["x=1; echo a", "echo b$x", "exit 2"] }',
      allowed,
    );
    expect(stdout('a')).to.equal('a\nb\n');
    expect(events('job-ended')[0]).to.deep.include({ command: 'exit 2', exitCode: 2 });
  });

  it('a host job passes on outputs and leaves no file', async () => {
    const { stdout, receipt } = await engine.run(
      `
      workflow: a b
      a: { host: true, outputs: [X], script: echo X=5 > $DISTILLERY_OUTPUT }
      b: { host: true, script: echo $X }`,
      allowed,
    );
    expect(stdout('b')).to.equal('5\n');
    expect(receipt.clean).to.equal(true);
    expect(await readdir(join(engine.folder, 'data', 'work'))).to.deep.equal([]);
  });

  it('keys without effect on a host job cause warnings', async () => {
    const { events } = await engine.run(
      'a: { host: true, port: "8080:80", copyFiles: true, artifactPath: /x, script: "true" }',
      allowed,
    );
    expect(events('pipeline-warning').map(({ message }) => message)).to.deep.equal(
      ['port', 'copyFiles', 'artifactPath'].map((key) => `'${key}' has no effect in host jobs`),
    );
  });

  it('the output of a host job is masked', async () => {
    const options = { allow: { hostJobs: true, secrets: ['S'] }, secrets: { S: 'hunter2-hunter2' } };
    expect((await engine.run('a: { host: true, secrets: [S], script: echo $S }', options)).stdout('a')).to.equal(
      '***\n',
    );
  });

  it('the timeout of a host job ends it with all its processes', async () => {
    const { value, run } = await engine.run('a: { host: true, timeout: 1, script: "sleep 60 & sleep 60" }', allowed);
    expect(value.jobs[0]).to.include({ status: 'failed', message: 'job timed out after 1s' });
    expect(leftoverProcesses(run.ports.run)).to.deep.equal([]);
  });

  it('the background processes of a host job end with its script', async () => {
    const { value, run } = await engine.run(
      'workflow: a b\na: { host: true, script: "sleep 60 & echo started" }\nb: { host: true, script: "true" }',
      allowed,
    );
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded']);
    expect(leftoverProcesses(run.ports.run)).to.deep.equal([]);
  });

  it('a cancelled host job gets the stop signal, then SIGKILL', async () => {
    const { run, result, cancel } = await engine.start(
      `a: { host: true, script: ["trap 'echo asked; exit 1' TERM", "echo up", "while true; do sleep 0.1; done"] }`,
      allowed,
    );
    await run.output.part('a').waitForText('up\n');
    const receipt = await cancel();
    expect(receipt).to.deep.include({ clean: true });
    expect(run.output.part('a').stdout()).to.equal('up\nasked\n');
    expect((await result).value).to.have.nested.property('jobs[0].status', 'cancelled');
    expect(leftoverProcesses(run.ports.run)).to.deep.equal([]);
  });

  it('parallel host jobs have separate obligations', async () => {
    const { value, receipt } = await engine.run(
      `
      a: { host: true, script: echo a }
      b: { host: true, soloExecution: true, script: [echo b, echo c] }`,
      allowed,
    );
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded']);
    expect(new Set(receipt.released.map(({ id }) => id)).size).to.equal(3);
  });
});
