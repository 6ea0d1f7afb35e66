// Tests what jobs pass on to later jobs (outputs, artifacts and files), and that secrets are masked.

import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { expectRejection } from '../../helpers/docker/test-engine.ts';
import { openTestPipelineEngine, type TestPipelineEngine } from '../../helpers/pipeline/test-pipeline-engine.ts';

describe('results of a job', function () {
  this.timeout(60_000);
  let engine: TestPipelineEngine;

  before(async () => {
    engine = await openTestPipelineEngine();
  });
  after(() => engine.close());
  afterEach(async () => {
    expect(await engine.leftovers()).to.deep.equal([]);
  });

  it('outputs reach the environment and conditions of later jobs, and the result', async () => {
    const { value, stdout, events } = await engine.run(
      `
      workflow: a b c d
      a: { image: busybox, network: none, outputs: [TAG, OTHER],
        script: "echo TAG=v1 >> $DISTILLERY_OUTPUT; printf 'OTHER=a b=c\\n' >> $DISTILLERY_OUTPUT" }
      b: { image: busybox, network: none, condition: '$TAG == "v1"', script: 'echo "$TAG $OTHER [$DISTILLERY_OUTPUT]"' }
      c: { image: busybox, network: none, condition: '$TAG == "v2"', script: echo never }
      d: { image: busybox, network: none, script: 'echo $TAG' }`,
      { variables: { TAG: 'variable' } },
    );
    expect(stdout('b')).to.equal('v1 a b=c []\n');
    expect(stdout('d')).to.equal('v1\n');
    expect(value.outputs).to.deep.equal({ TAG: 'v1', OTHER: 'a b=c' });
    expect(events('job-skipped')[0]).to.deep.include({ job: 'c', reason: 'condition', condition: '$TAG == "v2"' });
  });

  it('outputs can be written by any user, from any folder, also with soloExecution', async () => {
    const { stdout } = await engine.run(`
      workflow: a b
      a: { image: busybox, network: none, user: "1234", workDir: /w, soloExecution: true, outputs: [X],
        script: ["cd /; echo X=1 > $DISTILLERY_OUTPUT", "rm $DISTILLERY_OUTPUT; echo X=2 > $DISTILLERY_OUTPUT"] }
      b: { image: busybox, network: none, script: echo $X }`);
    expect(stdout('b')).to.equal('2\n');
  });

  it('outputs do not reach jobs that do not depend on the job', async () => {
    const { stdout } = await engine.run(`
      a: { image: busybox, network: none, outputs: [X], script: echo X=1 > $DISTILLERY_OUTPUT }
      b: { image: busybox, network: none, needs: [a], script: "true" }
      c: { image: busybox, network: none, needs: [b], script: "echo [$X]" }
      d: { image: busybox, network: none, script: "sleep 1; echo [$X]" }`);
    expect([stdout('c'), stdout('d')]).to.deep.equal(['[1]\n', '[]\n']);
  });

  it('L5: outputs of a job whose script fails reach the jobs that run after it', async () => {
    const { value, stdout, events } = await engine.run(
      `
      workflow: a h b c
      a: { image: busybox, network: none, allowFailure: true, outputs: [X, Y],
        script: 'echo X=1 > $DISTILLERY_OUTPUT; false' }
      h: { host: true, allowFailure: true, outputs: [H], script: 'echo H=2 > $DISTILLERY_OUTPUT; exit 3' }
      b: { image: busybox, network: none, script: 'echo "[$X] [$Y] [$H]"; exit 1' }
      c: { image: busybox, network: none, when: failure, condition: '$X == 1 && $H == 2', script: echo cleaned }`,
      { allow: { hostJobs: true } },
    );
    expect(stdout('b')).to.equal('[1] [] [2]\n');
    expect(stdout('c')).to.equal('cleaned\n');
    expect(value.outputs).to.deep.equal({ X: '1', Y: '', H: '2' });
    expect(events('pipeline-warning').map(({ message }) => message)).to.deep.equal([
      "job 'a' did not write its output Y; it is empty",
    ]);
  });

  it('L5: the outputs of a job whose script did not end are empty, with a warning', async () => {
    const { value, stdout, events } = await engine.run(`
      workflow: a b
      a: { image: busybox, network: none, allowFailure: true, timeout: 1, outputs: [X],
        script: 'echo X=1 > $DISTILLERY_OUTPUT; sleep 60' }
      b: { image: busybox, network: none, script: 'echo "[\${X-unset}]"' }`);
    expect(stdout('b')).to.equal('[]\n');
    expect(value.outputs).to.deep.equal({ X: '' });
    expect(events('pipeline-warning').map(({ message }) => message)).to.deep.equal([
      "job 'a' failed before its script ended; its outputs are empty: X",
    ]);
  });

  it('L20: the environment of a job sets CI and names the run, the job and the attempt', async () => {
    const print = `'echo "$CI $DISTILLERY_RUN $DISTILLERY_JOB $DISTILLERY_ATTEMPT"; test $DISTILLERY_ATTEMPT = 2'`;
    const { run, stdout } = await engine.run(
      `
      workflow: a h m
      a: { image: busybox, network: none, retry: { attempts: 2, delay: 0 }, script: ${print} }
      h: { host: true, retry: { attempts: 2, delay: 0 }, script: ${print} }
      m: { image: busybox, network: none, matrix: { v: [1] }, env: { CI: own, DISTILLERY_JOB: x },
        script: 'echo "$CI $DISTILLERY_JOB"' }`,
      { allow: { hostJobs: true } },
    );
    const lines = (job: string): string =>
      [1, 2].map((attempt) => `true ${run.ports.run} ${job} ${attempt}\n`).join('');
    expect(stdout('a')).to.equal(lines('a'));
    expect(stdout('h')).to.equal(lines('h'));
    expect(stdout('m (v=1)')).to.equal('own m (v=1)\n');
  });

  it('L20: the end of a host job spares the containers of its run', async () => {
    const { value } = await engine.run(
      `
      workflow: a h
      a: { image: busybox, network: none, parallel: true, script: sleep 2 }
      h: { host: true, parallel: true, script: 'true' }`,
      { allow: { hostJobs: true } },
    );
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded']);
  });

  it('an output that was not written is empty and causes a warning', async () => {
    const { value, events } = await engine.run('a: { image: busybox, network: none, outputs: [X], script: "true" }');
    expect(value.outputs).to.deep.equal({ X: '' });
    expect(events('pipeline-warning')[0]!['message']).to.equal("job 'a' did not write its output X; it is empty");
  });

  it('the workspace is copied before the start, without ignored files', async () => {
    const files = { 'src/main.c': 'int main;\n', 'src/x.log': 'log\n', README: 'read\n' };
    const { stdout, events } = await engine.run(
      `
      a: { image: busybox, network: none, workDir: /w, copyFiles: true, copyIgnore: ["*.log"],
        script: "find . -type f | sort; cat README" }
      u: { image: busybox, network: none, user: "1234:1234", copyFiles: true,
        script: "cat README; echo more >> README; tail -n 1 README" }`,
      { files },
    );
    expect(stdout('a')).to.equal('./README\n./src/main.c\nread\n');
    expect(stdout('u')).to.equal('read\nmore\n');
    expect(events('job-step', 'a').find(({ step }) => step === 'files-copied')).to.deep.include({
      files: 2,
      bytes: 15,
    });
  });

  it('L6: artifacts that cannot be stored cause warnings that name them, and the job continues', async () => {
    const { value, events, artifacts } = await engine.run(`
      workflow: a b
      a:
        image: busybox
        network: none
        workDir: /w
        artifacts: ["out/*"]
        script: |
          mkdir out; mkfifo out/pipe; mknod out/zero c 1 5; echo kept > out/file
          echo x > out/$(printf 'bad\\377name')
          ln -s none/$(printf 'x\\376') out/link
      b: { image: busybox, network: none, workDir: /w, artifactPath: out, script: "mkdir out; mkfifo out/pipe" }`);
    expect(value.jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded']);
    expect(await readdir(join(artifacts, 'a', 'out'))).to.deep.equal(['file']);
    const messages = events('pipeline-warning').map(({ message }) => String(message));
    expect(messages.filter((message) => message.includes("job 'a'")).sort()).to.deep.equal([
      `job 'a': the artifact "out/bad\ufffdname" is not stored: its name is not valid UTF-8`,
      `job 'a': the artifact "out/link" is not stored: its name is not valid UTF-8`,
      `job 'a': the artifact "out/pipe" is not stored: it is a device or a pipe`,
      `job 'a': the artifact "out/zero" is not stored: it is a device or a pipe`,
    ]);
    expect(messages).to.include(`job 'b': the artifact "out/pipe" is not stored: it is a device or a pipe`);
  });

  it('L7: a later job sees an output of several lines', async () => {
    const { stdout, events } = await engine.run(`
      workflow: a b
      a: { image: busybox, network: none, outputs: [NOTES, LOST],
        script: 'printf "NOTES<<EOF\\none\\n\\ntwo\\nEOF\\nLOST<<EOF\\nx\\n" >> $DISTILLERY_OUTPUT' }
      b: { image: busybox, network: none, script: 'echo "$NOTES"' }`);
    expect(stdout('b')).to.equal('one\n\ntwo\n');
    expect(events('pipeline-warning').map(({ message }) => message)).to.deep.equal([
      `job 'a': the output LOST has no value: its block has no line "EOF" at the end`,
      "job 'a' did not write its output LOST; it is empty",
    ]);
  });

  it('an artifact is stored as a whole tree and copied over the workspace of later jobs', async () => {
    const { stdout, artifacts, events } = await engine.run(
      `
      workflow: build use
      build: { image: busybox, network: none, workDir: /w, artifactPath: /w/dist,
        script: "mkdir -p dist/a/empty; echo x > dist/a/x; chmod 755 dist/a/x; ln -s a/x dist/link" }
      use: { image: busybox, network: none, workDir: /u, copyFiles: true,
        script: "cat dist/link; test -x dist/a/x; test -d dist/a/empty; cat mine" }`,
      { files: { mine: 'mine\n' } },
    );
    expect(stdout('use')).to.equal('x\nmine\n');
    const stored = join(artifacts, 'build', 'dist');
    expect((await lstat(join(stored, 'link'))).isSymbolicLink()).to.equal(true);
    expect(await readFile(join(stored, 'a', 'x'), 'utf8')).to.equal('x\n');
    expect(events('job-step', 'build').find(({ step }) => step === 'artifacts-kept')).to.include({
      step: 'artifacts-kept',
    });
  });

  it('artifacts can be globs, and a glob without a match causes a warning', async () => {
    const { artifacts, events } = await engine.run(`
      a: { image: busybox, network: none, workDir: /w, artifacts: ["out/*.txt", "none/*"],
        script: "mkdir out; touch out/a.txt out/b.bin" }`);
    expect(await readdir(join(artifacts, 'a'), { recursive: true }))
      .to.include('out/a.txt')
      .and.not.include('out/b.bin');
    expect(events('pipeline-warning').map(({ message }) => message)).to.deep.equal([
      "job 'a': no file matches the artifact none/*",
    ]);
  });

  it('a missing artifact is reported for the one matrix combination that did not create it', async () => {
    const { events } = await engine.run(`
      a: { image: busybox, network: none, workDir: /w, matrix: { n: [1, 2] }, artifacts: ["out"],
        script: "test $n = 1 || touch out" }`);
    expect(events('pipeline-warning').map(({ message }) => message)).to.deep.equal([
      "job 'a (n=1)': no file matches the artifact out",
    ]);
  });

  it('a missing artifact fails the job', async () => {
    const { value } = await engine.run('a: { image: busybox, network: none, artifactPath: /nowhere, script: "true" }');
    expect(value.jobs[0]).to.include({ status: 'failed', message: 'artifact not found: /nowhere' });
  });

  it('a failed job passes on its outputs, but stores no artifacts', async () => {
    const { value, events } = await engine.run(`
      a: { image: busybox, network: none, allowFailure: true, outputs: [X], artifactPath: /etc/hosts,
        script: "echo X=1 > $DISTILLERY_OUTPUT; exit 1" }`);
    expect(value.outputs).to.deep.equal({ X: '1' });
    expect(events('job-step').map(({ step }) => step)).to.not.include('artifacts-kept');
  });
});

describe('secrets of a job', function () {
  this.timeout(60_000);
  let engine: TestPipelineEngine;

  before(async () => {
    engine = await openTestPipelineEngine();
  });
  after(() => engine.close());
  afterEach(async () => {
    expect(await engine.leftovers()).to.deep.equal([]);
  });

  const secrets = { TOKEN: 'hunter2-hunter2', KEY: 'first-line\nsecond-line\n' };
  const allow = { secrets: ['TOKEN', 'KEY'] };

  it('secrets are in the environment of the job and masked in all events and output', async () => {
    const { value, stdout, stderr, run, ending } = await engine.run(
      `
      workflow: a b
      a:
        image: busybox
        network: none
        secrets: { T: TOKEN, K: KEY }
        outputs: [OUT]
        script: ['test "$T" = hunter2-hunter2', 'echo "it is $T"', 'printf hunter2; sleep 0.2; echo -hunter2',
          'echo "$K" >&2', 'echo OUT=$T > $DISTILLERY_OUTPUT']
      b: { image: busybox, network: none, soloExecution: true,
        script: ['test "$OUT" = hunter2-hunter2', 'exit 3 # hunter2-hunter2'] }`,
      { secrets, allow },
    );
    expect(stdout('a')).to.equal('it is ***\n***\n');
    expect(stderr('a')).not.to.match(/first-line|second-line/);
    expect(value.jobs.map(({ status, exitCode }) => ({ status, exitCode }))).to.deep.equal([
      { status: 'succeeded', exitCode: 0 },
      { status: 'failed', exitCode: 3 },
    ]);
    expect(value.outputs).to.deep.equal({ OUT: '***' });
    expect(JSON.stringify([run.events, ending])).not.to.include('hunter2');
  });

  it('a secret without a variable name uses its own name', async () => {
    expect(
      (
        await engine.run(
          'a: { image: busybox, network: none, secrets: [TOKEN], script: "test $TOKEN = hunter2-hunter2" }',
          { secrets, allow },
        )
      ).value.jobs[0]!.status,
    ).to.equal('succeeded');
  });

  it('a secret that is missing, or that is not allowed, is rejected before anything starts', async () => {
    const text =
      'a: { image: busybox, network: none, script: "true" }\nb: { image: busybox, secrets: [TOKEN], script: "true" }';
    for (const options of [{ secrets }, { secrets: {}, allow }]) {
      const failure = await expectRejection(engine.run(text, options));
      expect(failure).to.be.instanceOf(WorkFailed);
      expect(failure.message).to.match(/secret "TOKEN"/);
    }
  });

  it('a secret that `registry` names but that is not a registry login is rejected', async () => {
    const text = 'a: { image: busybox, registry: TOKEN, script: "true" }';
    expect((await expectRejection(engine.run(text, { secrets, allow }))).message).to.match(
      /"TOKEN" is not a registry login/,
    );
    for (const TOKEN of ['name:word', '{"username":"name","password":"word"}']) {
      expect((await engine.run(text, { secrets: { TOKEN }, allow })).value.jobs[0]!.status).to.equal('succeeded');
    }
  });
});
