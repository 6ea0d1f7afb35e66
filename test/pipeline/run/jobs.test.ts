// Jobs in containers, one by one: what they print, come to, tell and leave.

import { expect } from 'chai';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { failureOf } from '../../docker/setup.ts';
import { until } from '../../helpers/until.ts';
import { openStage, type Stage } from './stage.ts';

describe('a job in a container', function () {
  this.timeout(60_000);
  let stage: Stage;

  before(async () => { stage = await openStage(); });
  after(() => stage.close());
  afterEach(async () => { expect(await stage.left()).to.deep.equal([]); });

  it('runs its script, tells its steps, and is gone', async () => {
    const { ending, value, receipt, stdout, stderr, steps, told } = await stage.play(`
      hello: { image: busybox, network: none, script: [echo hello, echo oh >&2] }`);
    expect(ending.failure).to.equal(undefined);
    expect([stdout('hello'), stderr('hello')]).to.deep.equal(['hello\n', 'oh\n']);
    expect(steps('hello')).to.deep.equal([
      'image-available', 'container-creating', 'container-starting', 'container-started', 'shell-started', 'script-succeeded', 'container-removing', 'container-removed']);
    expect(value.jobs[0]).to.deep.include({ id: 'hello', name: 'hello', status: 'succeeded', attempts: 1, exitCode: 0 });
    expect(told('job-ended')[0]).to.deep.include({ job: 'hello', status: 'succeeded', attempts: 1, attemptsMax: 1 });
    expect(told('job-ended')[0]!['durationMs']).to.be.a('number');
    expect(receipt.clean).to.equal(true);
    expect(receipt.released.map(({ kind, how }) => [kind, how])).to.deep.equal([['container', 'exited']]);
    expect(told('pipeline-planned')[0]).to.deep.include({ jobs: [{ id: 'hello', name: 'hello', after: [], stage: 0 }], logsWithTime: false });
  });

  it('tells the time in each of its events', async () => {
    const { run } = await stage.play('a: { image: busybox, network: none }');
    for (const { facts } of run.events.filter(({ type }) => /^(?:job|pipeline)-/.test(type))) expect(facts['time']).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('starts and ends at once without a script', async () => {
    expect((await stage.play('a: { image: busybox, network: none }')).value.jobs[0]).to.include({ status: 'succeeded' });
  });

  it('keeps folder and variables from item to item', async () => {
    const { stdout } = await stage.play('a: { image: busybox, network: none, script: [cd /tmp, x=1, "pwd; echo $x"] }');
    expect(stdout('a')).to.equal('/tmp\n1\n');
  });

  it('pin defect 14: fails at the first command that fails', async () => {
    const { ending, value, stdout } = await stage.play('a: { image: busybox, network: none, script: ["false", echo later] }');
    expect(stdout('a')).to.equal('');
    expect(ending).to.deep.include({ failure: 'job "a" failed: command execution failed (exit code 1)', exitCode: 1 });
    expect(value.jobs[0]).to.deep.include({ status: 'failed', message: 'command execution failed (exit code 1)', exitCode: 1 });
  });

  it('pin defect 14: with errexit: false, comes to what its last command comes to', async () => {
    const { value, stdout } = await stage.play('a: { image: busybox, network: none, errexit: false, script: ["false", echo later] }');
    expect(stdout('a')).to.equal('later\n');
    expect(value.jobs[0]!.status).to.equal('succeeded');
  });

  it('with soloExecution, has a fresh shell for each item, in its folder, and stops at the first that fails', async () => {
    const { value, stdout, steps, told } = await stage.play(`
      a: { image: busybox, network: none, soloExecution: true, workDir: /code, script: ["x=1; cd /; echo one", "pwd; echo $x.", "echo no; exit 3", echo never] }`);
    expect(stdout('a')).to.equal('one\n/code\n.\nno\n');
    expect(value.jobs[0]).to.deep.include({ status: 'failed', exitCode: 3, message: 'command execution failed (exit code 3)' });
    expect(told('job-ended')[0]).to.deep.include({ command: 'echo no; exit 3', exitCode: 3 });
    expect(steps('a').filter((step) => step === 'command-started')).to.have.lengthOf(3);
  });

  it('sees what it is given: variables, matrix, and its own last', async () => {
    const { stdout } = await stage.play(`
      a:
        image: busybox
        network: none
        matrix: { V: [m], W: [m] }
        env: [E=e, "W=own $HOME"]
        script: echo $V $W $E $X`, { variables: { X: 'x', V: 'variable', E: 'variable' } });
    expect(stdout('a (V=m, W=m)')).to.equal('m own $HOME e x\n');
  });

  it('gets no variable of the gateway', async () => {
    const { stdout } = await stage.play('a: { image: busybox, network: none, script: "echo [$GATEWAY]" }', { environment: { GATEWAY: 'g' } });
    expect(stdout('a')).to.equal('[]\n');
  });

  it('pin defect 17: may have a workDir that is not there, and it is made', async () => {
    const { stdout } = await stage.play('a: { image: busybox, network: none, workDir: /not/there, script: "pwd; touch x; ls" }');
    expect(stdout('a')).to.equal('/not/there\nx\n');
  });

  it('pin defect 17: may run as another user, who can write in its folder', async () => {
    const { value, stdout } = await stage.play(`
      plain: { image: busybox, network: none, user: "1234:1234", script: id -u }
      made: { image: busybox, network: none, user: "1234:1234", workDir: /made, script: "touch x; ls" }
      solo: { image: busybox, network: none, user: "1234:1234", soloExecution: true, script: "id -u; touch x; ls" }`);
    expect([stdout('plain'), stdout('made'), stdout('solo')]).to.deep.equal(['1234\n', 'x\n', '1234\nx\n']);
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded', 'succeeded']);
  });

  it('pin defect 17: may come of an image that ends at once, or has an entrypoint, or another user', async () => {
    const files = { Dockerfile: 'FROM busybox:latest\nENTRYPOINT ["/bin/false"]\nCMD ["x"]\nUSER 4321\n' };
    const { value, stdout } = await stage.play(`
      a: { dockerfile: Dockerfile, network: none, script: "echo it runs as $(id -u); touch here" }
      b: { dockerfile: Dockerfile, network: none, soloExecution: true, script: [echo one, echo two] }`, { files });
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded']);
    expect(stdout('a')).to.match(/it runs as 4321\n$/);
    expect(stdout('b')).to.match(/one\ntwo\n$/);
  });

  it('may have a script longer than one argument can be', async () => {
    const lines = Array.from({ length: 12_000 }, (_, at) => `echo "äöü ${at}"`);
    const script = JSON.stringify([...lines, 'echo "$# $0 ${IFS+set}"']);
    const { stdout, ending } = await stage.play(`a: { image: busybox, network: none, script: ${script} }`);
    expect(ending.failure).to.equal(undefined);
    const told = stdout('a').split('\n');
    expect(told).to.have.lengthOf(12_002);
    expect(told[11_999]).to.equal('äöü 11999');
    expect(told[12_000]).to.equal('0 sh ');
  });

  it('fails in a script longer than one argument where a command fails', async () => {
    const script = JSON.stringify([...Array.from({ length: 12_000 }, () => 'true ..........'), 'false', 'echo never']);
    const { stdout, value } = await stage.play(`a: { image: busybox, network: none, script: ${script} }`);
    expect(value.jobs[0]).to.include({ status: 'failed', exitCode: 1 });
    expect(stdout('a')).to.equal('');
  });

  it('has no input', async () => {
    expect((await stage.play('a: { image: busybox, network: none, script: "cat; echo end" }')).stdout('a')).to.equal('end\n');
    expect((await stage.play('a: { image: busybox, network: none, soloExecution: true, script: "cat; echo end" }')).stdout('a')).to.equal('end\n');
  });

  it('is told live: a line is there while the job goes on', async () => {
    const { run, cancel } = await stage.start('a: { image: busybox, network: none, script: "echo first; sleep 60" }');
    await run.output.part('a').has('first\n');
    expect(run.events.some(({ type }) => type === 'job-ended')).to.equal(false);
    expect((await cancel()).clean).to.equal(true);
  });

  it('tells that memory ran out', async () => {
    const { value, told } = await stage.play('a: { image: busybox, network: none, memory: 16m, script: "tail -c 200m /dev/zero" }');
    expect(value.jobs[0]).to.deep.include({ status: 'failed', exitCode: 137, message: 'out of memory: command execution failed (exit code 137)' });
    expect(told('job-ended')[0]).to.include({ oomKilled: true });
  });

  it('tells that memory ran out with soloExecution, and of a part of it that was killed', async () => {
    const { value, told } = await stage.play(`
      solo: { image: busybox, network: none, memory: 16m, soloExecution: true, script: [echo well, "tail -c 200m /dev/zero"] }
      part: { image: busybox, network: none, memory: 16m, script: "tail -c 200m /dev/zero || true" }`);
    expect(value.jobs[0]).to.deep.include({ status: 'failed', exitCode: 137, message: 'out of memory: command execution failed (exit code 137)' });
    expect(value.jobs[1]).to.include({ status: 'succeeded' });
    expect(told('pipeline-warning').map(({ message }) => message)).to.deep.equal(["job 'part': a part of it ran out of memory and was killed"]);
  });

  it('fails with the engine\'s reason when there is no such image', async () => {
    const { value } = await stage.play('a: { image: "no.such.host/x:1", pull: never, script: "true" }');
    expect(value.jobs[0]).to.include({ status: 'failed' });
    expect(value.jobs[0]!.message).to.match(/there is no image "no\.such\.host\/x:1" here/);
  });

  it('fails with the engine\'s reason when it cannot be started, and tries again like any other', async () => {
    const { value, told } = await stage.play('a: { image: busybox, network: none, user: nobody-knows, retry: { attempts: 2, delay: 0 }, script: "true" }');
    expect(value.jobs[0]).to.include({ status: 'failed', attempts: 2 });
    expect(told('job-retrying')[0]).to.deep.include({ attempt: 1, attempts: 2, delayMs: 0 });
  });

  it('pin defect 25: fails when its time is over', async () => {
    const { value, ending } = await stage.play('a: { image: busybox, network: none, timeout: 1, script: sleep 60 }');
    expect(value.jobs[0]).to.deep.include({ status: 'failed', message: 'job timed out after 1s' });
    expect(ending.exitCode).to.equal(undefined);
  });

  it('has its time for each try anew', async () => {
    const { value, told } = await stage.play('a: { image: busybox, network: none, timeout: 1, retry: { attempts: 2, delay: 0 }, script: sleep 60 }');
    expect(value.jobs[0]).to.include({ status: 'failed', attempts: 2, message: 'job timed out after 1s' });
    expect(told('job-retrying')[0]).to.include({ message: 'job timed out after 1s' });
  });

  it('makes each try complete: nothing of the one before is there', async () => {
    const { value, stdout } = await stage.play(`
      a: { image: busybox, network: none, retry: { attempts: 3, delay: 0 }, volumes: ["n:/n"], script: "test ! -e /tmp/was || echo dirty; touch /tmp/was; echo x >> /n/count; test $(wc -l < /n/count) = 3" }`);
    expect(value.jobs[0]).to.include({ status: 'succeeded', attempts: 3 });
    expect(stdout('a')).to.equal('');
  });

  it('is on the machine\'s network only where that is allowed', async () => {
    const text = 'a: { image: busybox, network: host, script: echo here }';
    expect(await failureOf(stage.play(text))).to.be.instanceOf(WorkFailed);
    expect((await stage.play(text, { allow: { hostNetwork: true } })).stdout('a')).to.equal('here\n');
  });

  it('publishes its ports, and a clash is told and leaves nothing (pin defect 16)', async () => {
    const first = await stage.start('a: { image: busybox, port: "127.0.0.1:18431:80", script: "echo up; sleep 60" }');
    await first.run.output.part('a').has('up');
    const { value } = await stage.play('b: { image: busybox, port: "127.0.0.1:18431:80", script: echo never }');
    expect(value.jobs[0]).to.include({ status: 'failed' });
    expect(value.jobs[0]!.message).to.match(/18431/);
    expect((await first.cancel()).clean).to.equal(true);
  });

  it('pin defect 30: publishes each of its ports, also several of one container port', async () => {
    const playing = await stage.start('a: { image: busybox, port: ["127.0.0.1:18441:80", "127.0.0.1:18442:80", "127.0.0.1:18443:81"], script: "echo up; sleep 60" }');
    await playing.run.output.part('a').has('up');
    const clash = await Promise.all([18441, 18442, 18443].map((port) => stage.play(`b: { image: busybox, port: "127.0.0.1:${port}:80" }`)));
    expect(clash.map(({ value }) => value.jobs[0]!.status)).to.deep.equal(['failed', 'failed', 'failed']);
    await playing.cancel();
  });

  it('is known to the engine by its labels and its name', async () => {
    const playing = await stage.start('"Big Job!": { image: busybox, network: none, script: "echo up; sleep 60" }');
    await playing.run.output.part('Big Job!').has('up');
    expect(playing.run.obligations.map(({ entry }) => entry.id)[0]).to.match(new RegExp(`^big-job_\\d{13}_${playing.run.ports.run}-1$`));
    await until('it is listed', async () => (await stage.left()).length === 1);
    await playing.cancel();
  });

  it('pin defect 15: is over when its script is: a keeper costs no grace', async () => {
    const { value } = await stage.play('a: { image: busybox, network: none, soloExecution: true, script: "true" }', { stop: { signal: 'SIGTERM', graceMs: 60_000 } });
    expect(value.jobs[0]!.status).to.equal('succeeded');
  });
});
