// What jobs hand on: outputs, artifacts, files; and what they are not to tell: secrets.

import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { failureOf } from '../../docker/setup.ts';
import { openStage, type Stage } from './stage.ts';

describe('what jobs hand on', function () {
  this.timeout(60_000);
  let stage: Stage;

  before(async () => { stage = await openStage(); });
  after(() => stage.close());
  afterEach(async () => { expect(await stage.left()).to.deep.equal([]); });

  it('reaches the environment and the conditions of those after them, and the result', async () => {
    const { value, stdout, told } = await stage.play(`
      workflow: a b c d
      a: { image: busybox, network: none, outputs: [TAG, OTHER], script: "echo TAG=v1 >> $DISTILLERY_OUTPUT; printf 'OTHER=a b=c\\n' >> $DISTILLERY_OUTPUT" }
      b: { image: busybox, network: none, condition: '$TAG == "v1"', script: 'echo "$TAG $OTHER [$DISTILLERY_OUTPUT]"' }
      c: { image: busybox, network: none, condition: '$TAG == "v2"', script: echo never }
      d: { image: busybox, network: none, script: 'echo $TAG' }`, { variables: { TAG: 'variable' } });
    expect(stdout('b')).to.equal('v1 a b=c []\n');
    expect(stdout('d')).to.equal('v1\n');
    expect(value.outputs).to.deep.equal({ TAG: 'v1', OTHER: 'a b=c' });
    expect(told('job-skipped')[0]).to.deep.include({ job: 'c', reason: 'condition', condition: '$TAG == "v2"' });
  });

  it('can be written by any user, from any folder, also in soloExecution', async () => {
    const { stdout } = await stage.play(`
      workflow: a b
      a: { image: busybox, network: none, user: "1234", workDir: /w, soloExecution: true, outputs: [X], script: ["cd /; echo X=1 > $DISTILLERY_OUTPUT", "rm $DISTILLERY_OUTPUT; echo X=2 > $DISTILLERY_OUTPUT"] }
      b: { image: busybox, network: none, script: echo $X }`);
    expect(stdout('b')).to.equal('2\n');
  });

  it('does not reach those who do not wait for them', async () => {
    const { stdout } = await stage.play(`
      a: { image: busybox, network: none, outputs: [X], script: echo X=1 > $DISTILLERY_OUTPUT }
      b: { image: busybox, network: none, needs: [a], script: "true" }
      c: { image: busybox, network: none, needs: [b], script: "echo [$X]" }
      d: { image: busybox, network: none, script: "sleep 1; echo [$X]" }`);
    expect([stdout('c'), stdout('d')]).to.deep.equal(['[1]\n', '[]\n']);
  });

  it('is empty where it was not written, and that is told', async () => {
    const { value, told } = await stage.play('a: { image: busybox, network: none, outputs: [X], script: "true" }');
    expect(value.outputs).to.deep.equal({ X: '' });
    expect(told('pipeline-warning')[0]!['message']).to.equal("job 'a' has not written its output X; it is empty");
  });

  it('is the workspace, copied before the start, without what is ignored', async () => {
    const files = { 'src/main.c': 'int main;\n', 'src/x.log': 'log\n', 'README': 'read\n' };
    const { stdout, told } = await stage.play(`
      a: { image: busybox, network: none, workDir: /w, copyFiles: true, copyIgnore: ["*.log"], script: "find . -type f | sort; cat README" }
      u: { image: busybox, network: none, user: "1234:1234", copyFiles: true, script: "cat README; echo more >> README; tail -n 1 README" }`, { files });
    expect(stdout('a')).to.equal('./README\n./src/main.c\nread\n');
    expect(stdout('u')).to.equal('read\nmore\n');
    expect(told('job-step', 'a').find(({ step }) => step === 'files-copied')).to.deep.include({ files: 2, bytes: 15 });
  });

  it('is an artifact: the whole tree is kept, and laid on top of the workspace of those after', async () => {
    const { stdout, artifacts, told } = await stage.play(`
      workflow: build use
      build: { image: busybox, network: none, workDir: /w, artifactPath: /w/dist, script: "mkdir -p dist/a/empty; echo x > dist/a/x; chmod 755 dist/a/x; ln -s a/x dist/link" }
      use: { image: busybox, network: none, workDir: /u, copyFiles: true, script: "cat dist/link; test -x dist/a/x; test -d dist/a/empty; cat mine" }`, { files: { mine: 'mine\n' } });
    expect(stdout('use')).to.equal('x\nmine\n');
    const kept = join(artifacts, 'build', 'dist');
    expect((await lstat(join(kept, 'link'))).isSymbolicLink()).to.equal(true);
    expect(await readFile(join(kept, 'a', 'x'), 'utf8')).to.equal('x\n');
    expect(told('job-step', 'build').find(({ step }) => step === 'artifacts-kept')).to.include({ step: 'artifacts-kept' });
  });

  it('are artifacts by pattern, too, and what nothing matches is told', async () => {
    const { artifacts, told } = await stage.play(`
      a: { image: busybox, network: none, workDir: /w, artifacts: ["out/*.txt", "none/*"], script: "mkdir out; touch out/a.txt out/b.bin" }`);
    expect(await readdir(join(artifacts, 'a'), { recursive: true })).to.include('out/a.txt').and.not.include('out/b.bin');
    expect(told('pipeline-warning').map(({ message }) => message)).to.deep.equal(["job 'a': nothing matches the artifact none/*"]);
  });

  it('is told to be missing of the one job of a matrix that has not made it', async () => {
    const { told } = await stage.play(`
      a: { image: busybox, network: none, workDir: /w, matrix: { n: [1, 2] }, artifacts: ["out"], script: "test $n = 1 || touch out" }`);
    expect(told('pipeline-warning').map(({ message }) => message)).to.deep.equal(["job 'a (n=1)': nothing matches the artifact out"]);
  });

  it('fails with the job when the artifact is not there', async () => {
    const { value } = await stage.play('a: { image: busybox, network: none, artifactPath: /nowhere, script: "true" }');
    expect(value.jobs[0]).to.include({ status: 'failed', message: 'artifact not found: /nowhere' });
  });

  it('is nothing where the job has failed', async () => {
    const { value } = await stage.play(`
      a: { image: busybox, network: none, allowFailure: true, outputs: [X], artifactPath: /etc/hosts, script: "echo X=1 > $DISTILLERY_OUTPUT; exit 1" }`);
    expect(value.outputs).to.deep.equal({});
  });
});

describe('secrets of a job', function () {
  this.timeout(60_000);
  let stage: Stage;

  before(async () => { stage = await openStage(); });
  after(() => stage.close());
  afterEach(async () => { expect(await stage.left()).to.deep.equal([]); });

  const secrets = { TOKEN: 'hunter2-hunter2', KEY: 'first-line\nsecond-line\n' };
  const allow = { secrets: ['TOKEN', 'KEY'] };

  it('are in its environment, and masked wherever they are told', async () => {
    const { value, stdout, stderr, run, ending } = await stage.play(`
      workflow: a b
      a:
        image: busybox
        network: none
        secrets: { T: TOKEN, K: KEY }
        outputs: [OUT]
        script: ['test "$T" = hunter2-hunter2', 'echo "it is $T"', 'printf hunter2; sleep 0.2; echo -hunter2', 'echo "$K" >&2', 'echo OUT=$T > $DISTILLERY_OUTPUT']
      b: { image: busybox, network: none, soloExecution: true, script: ['test "$OUT" = hunter2-hunter2', 'exit 3 # hunter2-hunter2'] }`, { secrets, allow });
    expect(stdout('a')).to.equal('it is ***\n***\n');
    expect(stderr('a')).not.to.match(/first-line|second-line/);
    expect(value.jobs.map(({ status, exitCode }) => ({ status, exitCode }))).to.deep.equal([{ status: 'succeeded', exitCode: 0 }, { status: 'failed', exitCode: 3 }]);
    expect(value.outputs).to.deep.equal({ OUT: '***' });
    expect(JSON.stringify([run.events, ending])).not.to.include('hunter2');
  });

  it('are known by their own name when no other is given', async () => {
    expect((await stage.play('a: { image: busybox, network: none, secrets: [TOKEN], script: "test $TOKEN = hunter2-hunter2" }', { secrets, allow })).value.jobs[0]!.status).to.equal('succeeded');
  });

  it('are refused before anything starts when they are not allowed, or not there', async () => {
    const text = 'a: { image: busybox, network: none, script: "true" }\nb: { image: busybox, secrets: [TOKEN], script: "true" }';
    for (const scene of [{ secrets }, { secrets: {}, allow }]) {
      const failure = await failureOf(stage.play(text, scene));
      expect(failure).to.be.instanceOf(WorkFailed);
      expect(failure.message).to.match(/secret "TOKEN"/);
    }
  });

  it('are refused as login of a registry when they are none', async () => {
    const text = 'a: { image: busybox, registry: TOKEN, script: "true" }';
    expect((await failureOf(stage.play(text, { secrets, allow }))).message).to.match(/"TOKEN" is no login/);
    for (const TOKEN of ['name:word', '{"username":"name","password":"word"}']) {
      expect((await stage.play(text, { secrets: { TOKEN }, allow })).value.jobs[0]!.status).to.equal('succeeded');
    }
  });
});
