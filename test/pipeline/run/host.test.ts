// Jobs on the gateway's own machine.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { failureOf } from '../../docker/setup.ts';
import { runProcessesLeft } from '../../helpers/leftovers.ts';
import { openStage, type Scene, type Stage } from './stage.ts';

describe('a job on the host', function () {
  this.timeout(60_000);
  let stage: Stage;

  before(async () => { stage = await openStage(); });
  after(() => stage.close());

  const allowed = { allow: { hostJobs: true } } satisfies Scene;

  it('is refused unless the operator allows it, with its place', async () => {
    expect((await failureOf(stage.play('a: { host: true, script: "true" }'))).message).to.match(/^test\.yaml:1:\d+: a\.host: host jobs are disabled/);
  });

  it('runs in the workspace, with what it is given', async () => {
    const { stdout, value, steps, receipt } = await stage.play(`
      a: { host: true, env: { E: own }, script: ['cat file', 'x=1', 'echo $x $E $V'] }`, { ...allowed, files: { file: 'here\n' }, variables: { V: 'v' } });
    expect(stdout('a')).to.equal('here\n1 own v\n');
    expect(value.jobs[0]).to.include({ status: 'succeeded' });
    expect(steps('a')).to.deep.equal(['host-started', 'shell-started', 'script-succeeded']);
    expect(receipt.clean).to.equal(true);
  });

  it('pin defect 30: has its env', async () => {
    expect((await stage.play('a: { host: true, env: [A=b], script: echo $A }', allowed)).stdout('a')).to.equal('b\n');
  });

  it('runs in its workDir, or in the workspace where that is /root', async () => {
    const files = { file: '' };
    expect((await stage.play('a: { host: true, workDir: /usr, script: pwd }', { ...allowed, files })).stdout('a')).to.equal('/usr\n');
    expect((await stage.play('a: { host: true, workDir: sub, script: ls }', { ...allowed, files: { 'sub/inner': '' } })).stdout('a')).to.equal('inner\n');
    expect((await stage.play('a: { host: true, workDir: /root, script: ls }', { ...allowed, files })).stdout('a')).to.equal('file\n');
  });

  it('fails with its exit status, at the first command that fails', async () => {
    const { value, stdout } = await stage.play('a: { host: true, script: ["echo one", "(exit 7)", "echo two"] }', allowed);
    expect(stdout('a')).to.equal('one\n');
    expect(value.jobs[0]).to.include({ status: 'failed', message: 'exit status 7', exitCode: 7 });
  });

  it('has a fresh shell for each item with soloExecution', async () => {
    const { stdout, told } = await stage.play('a: { host: true, soloExecution: true, script: ["x=1; echo a", "echo b$x", "exit 2"] }', allowed);
    expect(stdout('a')).to.equal('a\nb\n');
    expect(told('job-ended')[0]).to.deep.include({ command: 'exit 2', exitCode: 2 });
  });

  it('hands on outputs, and leaves no file', async () => {
    const { stdout, receipt } = await stage.play(`
      workflow: a b
      a: { host: true, outputs: [X], script: echo X=5 > $DISTILLERY_OUTPUT }
      b: { host: true, script: echo $X }`, allowed);
    expect(stdout('b')).to.equal('5\n');
    expect(receipt.clean).to.equal(true);
    expect(await readdir(join(stage.folder, 'data', 'work'))).to.deep.equal([]);
  });

  it('warns of keys that have no meaning there', async () => {
    const { told } = await stage.play('a: { host: true, port: "8080:80", copyFiles: true, artifactPath: /x, script: "true" }', allowed);
    expect(told('pipeline-warning').map(({ message }) => message)).to.deep.equal(['port', 'copyFiles', 'artifactPath'].map((key) => `'${key}' has no effect in host jobs`));
  });

  it('has its output masked', async () => {
    const scene = { allow: { hostJobs: true, secrets: ['S'] }, secrets: { S: 'hunter2-hunter2' } };
    expect((await stage.play('a: { host: true, secrets: [S], script: echo $S }', scene)).stdout('a')).to.equal('***\n');
  });

  it('is ended with all its processes when its time is over', async () => {
    const { value, run } = await stage.play('a: { host: true, timeout: 1, script: "sleep 60 & sleep 60" }', allowed);
    expect(value.jobs[0]).to.include({ status: 'failed', message: 'job timed out after 1s' });
    expect(runProcessesLeft(run.ports.run)).to.deep.equal([]);
  });

  it('leaves nothing that goes on behind it', async () => {
    const { value, run } = await stage.play('workflow: a b\na: { host: true, script: "sleep 60 & echo started" }\nb: { host: true, script: "true" }', allowed);
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded']);
    expect(runProcessesLeft(run.ports.run)).to.deep.equal([]);
  });

  it('is told to stop, then killed, when the run is cancelled', async () => {
    const { run, ending, cancel } = await stage.start(`a: { host: true, script: ["trap 'echo asked; exit 1' TERM", "echo up", "while true; do sleep 0.1; done"] }`, allowed);
    await run.output.part('a').has('up\n');
    const receipt = await cancel();
    expect(receipt).to.deep.include({ clean: true });
    expect(run.output.part('a').stdout()).to.equal('up\nasked\n');
    expect((await ending).value).to.have.nested.property('jobs[0].status', 'cancelled');
    expect(runProcessesLeft(run.ports.run)).to.deep.equal([]);
  });

  it('goes side by side with others, each with obligations of its own', async () => {
    const { value, receipt } = await stage.play(`
      a: { host: true, script: echo a }
      b: { host: true, soloExecution: true, script: [echo b, echo c] }`, allowed);
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded']);
    expect(new Set(receipt.released.map(({ id }) => id)).size).to.equal(3);
  });
});
