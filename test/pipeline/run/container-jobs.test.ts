// Tests jobs in containers: their output, result, events and leftovers.

import { expect } from 'chai';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { expectRejection } from '../../helpers/docker/test-engine.ts';
import { openTestPipelineEngine, type TestPipelineEngine } from '../../helpers/pipeline/test-pipeline-engine.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

describe('a container job', function () {
  this.timeout(60_000);
  let engine: TestPipelineEngine;

  before(async () => {
    engine = await openTestPipelineEngine();
  });
  after(() => engine.close());
  afterEach(async () => {
    expect(await engine.leftovers()).to.deep.equal([]);
  });

  it('a container job runs its script, emits its steps, and is removed', async () => {
    const { ending, value, receipt, stdout, stderr, steps, events } = await engine.run(`
      hello: { image: busybox, network: none, script: [echo hello, echo oh >&2] }`);
    expect(ending.failure).to.equal(undefined);
    expect([stdout('hello'), stderr('hello')]).to.deep.equal(['hello\n', 'oh\n']);
    expect(steps('hello')).to.deep.equal([
      'image-available',
      'container-creating',
      'container-starting',
      'container-started',
      'shell-started',
      'script-succeeded',
      'container-removing',
      'container-removed',
    ]);
    expect(value.jobs[0]).to.deep.include({
      id: 'hello',
      name: 'hello',
      status: 'succeeded',
      attempts: 1,
      exitCode: 0,
    });
    expect(events('job-ended')[0]).to.deep.include({ job: 'hello', status: 'succeeded', attempts: 1, attemptsMax: 1 });
    expect(events('job-ended')[0]!['durationMs']).to.be.a('number');
    expect(receipt.clean).to.equal(true);
    expect(receipt.released.map(({ kind, how }) => [kind, how])).to.deep.equal([['container', 'exited']]);
    expect(events('pipeline-planned')[0]).to.deep.include({
      jobs: [{ id: 'hello', name: 'hello', after: [], stage: 0 }],
      logsWithTime: false,
    });
  });

  it('every event of a container job has a time', async () => {
    const { run } = await engine.run('a: { image: busybox, network: none, script: "true" }');
    for (const { facts } of run.events.filter(({ type }) => /^(?:job|pipeline)-/.test(type)))
      expect(facts['time']).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('the working folder and variables of a job persist between commands', async () => {
    const { stdout } = await engine.run('a: { image: busybox, network: none, script: [cd /tmp, x=1, "pwd; echo $x"] }');
    expect(stdout('a')).to.equal('/tmp\n1\n');
  });

  it('pin defect 14: a job fails at the first failing command', async () => {
    const { ending, value, stdout } = await engine.run(
      'a: { image: busybox, network: none, script: ["false", echo later] }',
    );
    expect(stdout('a')).to.equal('');
    expect(ending).to.deep.include({ failure: 'job "a" failed: command execution failed (exit code 1)', exitCode: 1 });
    expect(value.jobs[0]).to.deep.include({
      status: 'failed',
      message: 'command execution failed (exit code 1)',
      exitCode: 1,
    });
  });

  it('pin defect 14: a job with errexit: false has the result of its last command', async () => {
    const { value, stdout } = await engine.run(
      'a: { image: busybox, network: none, errexit: false, script: ["false", echo later] }',
    );
    expect(stdout('a')).to.equal('later\n');
    expect(value.jobs[0]!.status).to.equal('succeeded');
  });

  it('a job with soloExecution runs every command in a new shell, and stops at the first failure', async () => {
    const { value, stdout, steps, events } = await engine.run(`
      a: { image: busybox, network: none, soloExecution: true, workDir: /code,
        script: ["x=1; cd /; echo one", "pwd; echo $x.", "echo no; exit 3", echo never] }`);
    expect(stdout('a')).to.equal('one\n/code\n.\nno\n');
    expect(value.jobs[0]).to.deep.include({
      status: 'failed',
      exitCode: 3,
      message: 'command execution failed (exit code 3)',
    });
    expect(events('job-ended')[0]).to.deep.include({ command: 'echo no; exit 3', exitCode: 3 });
    expect(steps('a').filter((step) => step === 'command-started')).to.have.lengthOf(3);
  });

  it('a container job sees variables of the run, its matrix and its own env, in ascending priority', async () => {
    const { stdout } = await engine.run(
      `
      a:
        image: busybox
        network: none
        matrix: { V: [m], W: [m] }
        env: [E=e, "W=own $HOME"]
        script: echo $V $W $E $X`,
      { variables: { X: 'x', V: 'variable', E: 'variable' } },
    );
    expect(stdout('a (V=m, W=m)')).to.equal('m own $HOME e x\n');
  });

  it('a container job gets no variable of the gateway', async () => {
    const { stdout } = await engine.run('a: { image: busybox, network: none, script: "echo [$GATEWAY]" }', {
      environment: { GATEWAY: 'g' },
    });
    expect(stdout('a')).to.equal('[]\n');
  });

  it('pin defect 17: a missing workDir is created', async () => {
    const { stdout } = await engine.run(
      'a: { image: busybox, network: none, workDir: /not/there, script: "pwd; touch x; ls" }',
    );
    expect(stdout('a')).to.equal('/not/there\nx\n');
  });

  it('pin defect 17: a job can run as another user, who can write in the working folder', async () => {
    const { value, stdout } = await engine.run(`
      plain: { image: busybox, network: none, user: "1234:1234", script: id -u }
      made: { image: busybox, network: none, user: "1234:1234", workDir: /made, script: "touch x; ls" }
      solo: { image: busybox, network: none, user: "1234:1234", soloExecution: true, script: "id -u; touch x; ls" }`);
    expect([stdout('plain'), stdout('made'), stdout('solo')]).to.deep.equal(['1234\n', 'x\n', '1234\nx\n']);
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded', 'succeeded']);
  });

  it('pin defect 17: a job can use an image that exits at once, has an entrypoint, or sets another user', async () => {
    const files = { Dockerfile: 'FROM busybox:latest\nENTRYPOINT ["/bin/false"]\nCMD ["x"]\nUSER 4321\n' };
    const { value, stdout } = await engine.run(
      `
      a: { dockerfile: Dockerfile, network: none, script: "echo it runs as $(id -u); touch here" }
      b: { dockerfile: Dockerfile, network: none, soloExecution: true, script: [echo one, echo two] }`,
      { files },
    );
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded']);
    expect(stdout('a')).to.match(/it runs as 4321\n$/);
    expect(stdout('b')).to.match(/one\ntwo\n$/);
  });

  it('a script can be longer than the maximum length of an argument', async () => {
    const lines = Array.from({ length: 12_000 }, (_, at) => `echo "äöü ${at}"`);
    const script = JSON.stringify([...lines, 'echo "$# $0 ${IFS+set}"']);
    const { stdout, ending } = await engine.run(`a: { image: busybox, network: none, script: ${script} }`);
    expect(ending.failure).to.equal(undefined);
    const printed = stdout('a').split('\n');
    expect(printed).to.have.lengthOf(12_002);
    expect(printed[11_999]).to.equal('äöü 11999');
    expect(printed[12_000]).to.equal('0 sh ');
  });

  it('a script that is longer than the maximum length of an argument fails at the failing command', async () => {
    const script = JSON.stringify([...Array.from({ length: 12_000 }, () => 'true ..........'), 'false', 'echo never']);
    const { stdout, value } = await engine.run(`a: { image: busybox, network: none, script: ${script} }`);
    expect(value.jobs[0]).to.include({ status: 'failed', exitCode: 1 });
    expect(stdout('a')).to.equal('');
  });

  it('a container job has no input', async () => {
    expect((await engine.run('a: { image: busybox, network: none, script: "cat; echo end" }')).stdout('a')).to.equal(
      'end\n',
    );
    expect(
      (await engine.run('a: { image: busybox, network: none, soloExecution: true, script: "cat; echo end" }')).stdout(
        'a',
      ),
    ).to.equal('end\n');
  });

  it('output of a container job arrives while the job runs', async () => {
    const { run, cancel } = await engine.start('a: { image: busybox, network: none, script: "echo first; sleep 60" }');
    await run.output.part('a').waitForText('first\n');
    expect(run.events.some(({ type }) => type === 'job-ended')).to.equal(false);
    expect((await cancel()).clean).to.equal(true);
  });

  it('a container job reports that memory ran out', async () => {
    const { value, events } = await engine.run(
      'a: { image: busybox, network: none, memory: 16m, script: "tail -c 200m /dev/zero" }',
    );
    expect(value.jobs[0]).to.deep.include({
      status: 'failed',
      exitCode: 137,
      message: 'out of memory: command execution failed (exit code 137)',
    });
    expect(events('job-ended')[0]).to.include({ oomKilled: true });
  });

  const eater = 'tail -c 200m /dev/zero';

  it('soloExecution reports that memory ran out', async () => {
    const { value } = await engine.run(`
      killed: { image: busybox, network: none, memory: 16m, soloExecution: true, script: [echo well, "${eater}"] }
      child: { image: busybox, network: none, memory: 16m, soloExecution: true, script: "${eater} || exit 3" }`);
    expect(value.jobs.map(({ exitCode, message }) => ({ exitCode, message }))).to.deep.equal([
      { exitCode: 137, message: 'out of memory: command execution failed (exit code 137)' },
      { exitCode: 3, message: 'out of memory: command execution failed (exit code 3)' },
    ]);
  });

  it('soloExecution does not report that memory ran out when a command sends SIGKILL to itself', async () => {
    const { value } = await engine.run(
      'a: { image: busybox, network: none, memory: 16m, soloExecution: true, script: kill -9 $$ }',
    );
    expect(value.jobs[0]).to.include({ exitCode: 137, message: 'command execution failed (exit code 137)' });
  });

  it('a child that is killed for lack of memory causes a warning if its job succeeds', async () => {
    const { value, events } = await engine.run(`
      whole: { image: busybox, network: none, memory: 16m, script: "${eater} || true" }
      solo: { image: busybox, network: none, memory: 16m, soloExecution: true,
        script: ["${eater} || true", echo on] }`);
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded']);
    expect(events('pipeline-warning').map(({ message }) => message)).to.deep.equal([
      "job 'whole': one of its processes ran out of memory and was killed",
      "job 'solo': one of its processes ran out of memory and was killed",
    ]);
  });

  it("a missing image fails the job with the engine's reason", async () => {
    const { value } = await engine.run('a: { image: "no.such.host/x:1", pull: never, script: "true" }');
    expect(value.jobs[0]).to.include({ status: 'failed' });
    expect(value.jobs[0]!.message).to.match(/the Docker engine has no image "no\.such\.host\/x:1"/);
  });

  it("a container that cannot start fails the attempt with the engine's reason, and is retried", async () => {
    const { value, events } = await engine.run(
      'a: { image: busybox, network: none, user: no-such-user, retry: { attempts: 2, delay: 0 }, script: "true" }',
    );
    expect(value.jobs[0]).to.include({ status: 'failed', attempts: 2 });
    expect(events('job-retrying')[0]).to.deep.include({ attempt: 1, attempts: 2, delayMs: 0 });
  });

  it('pin defect 25: a container job fails when its timeout expires', async () => {
    const { value, ending } = await engine.run('a: { image: busybox, network: none, timeout: 1, script: sleep 60 }');
    expect(value.jobs[0]).to.deep.include({ status: 'failed', message: 'job timed out after 1s' });
    expect(ending.exitCode).to.equal(undefined);
  });

  it('the timeout of a job starts again for each attempt', async () => {
    const { value, events } = await engine.run(
      'a: { image: busybox, network: none, timeout: 1, retry: { attempts: 2, delay: 0 }, script: sleep 60 }',
    );
    expect(value.jobs[0]).to.include({ status: 'failed', attempts: 2, message: 'job timed out after 1s' });
    expect(events('job-retrying')[0]).to.include({ message: 'job timed out after 1s' });
  });

  it('a retry of a job starts with a new container', async () => {
    const { value, stdout } = await engine.run(`
      a: { image: busybox, network: none, retry: { attempts: 3, delay: 0 }, volumes: ["n:/n"],
        script: "test ! -e /tmp/was || echo dirty; touch /tmp/was; echo x >> /n/count;
        test $(wc -l < /n/count) = 3" }`);
    expect(value.jobs[0]).to.include({ status: 'succeeded', attempts: 3 });
    expect(stdout('a')).to.equal('');
  });

  it('a container job uses the host network only if that is allowed', async () => {
    const text = 'a: { image: busybox, network: host, script: echo here }';
    expect(await expectRejection(engine.run(text))).to.be.instanceOf(WorkFailed);
    expect((await engine.run(text, { allow: { hostNetwork: true } })).stdout('a')).to.equal('here\n');
  });

  it('pin defect 16: a port conflict fails the job with the message of the engine and leaves nothing', async () => {
    const first = await engine.start('a: { image: busybox, port: "127.0.0.1:18431:80", script: "echo up; sleep 60" }');
    await first.run.output.part('a').waitForText('up');
    const { value } = await engine.run('b: { image: busybox, port: "127.0.0.1:18431:80", script: echo never }');
    expect(value.jobs[0]).to.include({ status: 'failed' });
    expect(value.jobs[0]!.message).to.match(/18431/);
    expect((await first.cancel()).clean).to.equal(true);
  });

  it('pin defect 30: every port of a job is published, even several for one container port', async () => {
    const started = await engine.start(
      `a: { image: busybox, port: ["127.0.0.1:18441:80", "127.0.0.1:18442:80", "127.0.0.1:18443:81"],
        script: "echo up; sleep 60" }`,
    );
    await started.run.output.part('a').waitForText('up');
    const clash = await Promise.all(
      [18441, 18442, 18443].map((port) =>
        engine.run(`b: { image: busybox, port: "127.0.0.1:${port}:80", script: echo b }`),
      ),
    );
    expect(clash.map(({ value }) => value.jobs[0]!.status)).to.deep.equal(['failed', 'failed', 'failed']);
    await started.cancel();
  });

  it('the engine knows a container job by its labels and its name', async () => {
    const started = await engine.start('"Big Job!": { image: busybox, network: none, script: "echo up; sleep 60" }');
    await started.run.output.part('Big Job!').waitForText('up');
    expect(started.run.obligations.map(({ entry }) => entry.id)[0]).to.match(
      new RegExp(`^big-job_\\d{13}_${started.run.ports.run}-1$`),
    );
    await waitUntil('the engine lists the container', async () => (await engine.leftovers()).length === 1);
    await started.cancel();
  });

  it('pin defect 15: a job ends as soon as its script has ended, because its idle command gets no grace', async () => {
    const { value } = await engine.run('a: { image: busybox, network: none, soloExecution: true, script: "true" }', {
      stop: { signal: 'SIGTERM', graceMs: 60_000 },
    });
    expect(value.jobs[0]!.status).to.equal('succeeded');
  });
});
