// Tests how the commands list runs, find one by a part of its id, and show the runs of pipelines.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { spawn } from 'node-pty';
import { type CliResult, cliPath, runCli } from '../helpers/cli/run-cli.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';

const pipeline = `
workflow: [build, silent, test]
build: { host: true, script: echo building }
silent: { host: true, script: "true" }
test: { host: true, script: echo testing }
`;

describe('runs at the command line', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  let folder: string;

  before(async () => {
    gateway = await startTestGateway(
      `
limits: { pageRunsMax: 7 }
pipelines: { hostJobs: true }
calls:
  say: { process: [echo, hello] }
  release: { pipeline: { file: release.yaml } }
`,
      { 'release.yaml': pipeline },
    );
    folder = await mkdtemp(join(tmpdir(), 'find-runs-'));
    await writeFile(join(folder, 'words.yaml'), pipeline);
    await writeFile(join(folder, 'named.yaml'), `name: Nightly build\n${pipeline}`);
    for (const id of ['one-1', 'one-2', 'two-1']) await distillery('call', 'release', '-q', '--id', id);
    await distillery('run', '-q', 'words.yaml');
    await distillery('run', '-q', 'named.yaml');
    for (let count = 0; count < 12; count += 1) await distillery('call', 'say', '-q', '--id', `say-${count}`);
  });
  after(async () => {
    await gateway.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const distillery = (...args: readonly string[]): Promise<CliResult> =>
    runCli(args, { cwd: folder, env: { DISTILLERY_URL: gateway.url } });

  /** Runs the command at a terminal of this width. Resolves with its output, without escape sequences. */
  async function atTerminal(cols: number, ...args: readonly string[]): Promise<string> {
    // A terminal opens with a size, so a width of 0 has to be set afterwards.
    const terminal = spawn(
      'sh',
      ['-c', 'stty cols "$0"; exec "$@"', String(cols), process.execPath, cliPath, ...args],
      {
        cols: 80,
        rows: 30,
        cwd: folder,
        env: { PATH: process.env['PATH'], TMPDIR: process.env['TMPDIR'], DISTILLERY_URL: gateway.url, TERM: 'xterm' },
      },
    );
    let text = '';
    terminal.onData((data) => {
      text += data;
    });
    await new Promise<void>((resolve) => {
      terminal.onExit(() => resolve());
    });
    return text.replace(/\u001b\[[\d;?]*[A-Za-z]/g, '').replaceAll('\r', '');
  }

  it('T9: the command runs lists more runs than the gateway returns per page', async () => {
    const { stdout, code } = await distillery('runs', '--limit', '200', '--json');
    expect(code).to.equal(0);
    expect(stdout.trimEnd().split('\n')).to.have.length(17);
    expect((await distillery('runs', '--limit', '10', '--json')).stdout.trimEnd().split('\n')).to.have.length(10);
  });

  it('T9: the command runs shows the name of a pipeline, or its file if it has no name', async () => {
    const { stdout } = await distillery('runs', '--limit', '200');
    expect(stdout).to.match(/^[a-z2-7]{20} {2}Nightly build +succeeded /m);
    expect(stdout).to.match(/^[a-z2-7]{20} {2}words\.yaml +succeeded /m);
    expect(stdout).to.match(/^one-1 +release +succeeded /m);
    expect(stdout).not.to.contain('sha256');
  });

  for (const cols of [120, 60, 40, 24])
    it(`T9: the table of the command runs fits a terminal of ${cols} columns`, async () => {
      const text = await atTerminal(cols, 'runs', '--limit', '200');
      const lines = text.trimEnd().split('\n');
      expect(lines).to.have.length(18);
      for (const line of lines) expect(line.length, line).to.be.at.most(cols);
      expect(lines[0]).to.match(/^RUN +CALL +STATE|^RUN +CALL/);
      expect(text).to.match(cols >= 60 ? /Nightly build/ : /Nig/);
    });

  it('T9: at a terminal of unknown width (0 columns), the command runs prints the table as into a file', async () => {
    const withoutAges = (text: string): string => text.replaceAll(/ +[\d.]+[smhd]\b/g, '');
    const [atZero, intoFile] = [
      await atTerminal(0, 'runs', '--limit', '200'),
      await distillery('runs', '--limit', '200'),
    ];
    expect(withoutAges(atZero)).to.equal(withoutAges(intoFile.stdout)).and.to.contain('Nightly build');
  });

  it('T9: attach, logs and cancel accept the beginning of an id, or the word "last"', async () => {
    expect((await distillery('logs', 'two')).stdout).to.equal('building\ntesting\n');
    expect((await distillery('logs', 'last')).stdout).to.equal('hello\n');
    expect((await distillery('logs', '--follow', 'last')).stdout).to.equal('hello\n');
    expect(await distillery('attach', '-q', 'last')).to.include({ stdout: 'hello\n', code: 0 });
    expect((await distillery('cancel', 'two')).stderr).to.match(/^run two-1 of release: ended$/m);
  });

  it('T9: a complete id takes precedence over longer ids that begin with it', async () => {
    expect((await distillery('logs', 'say-1')).stdout).to.equal('hello\n');
  });

  it('T9: attach, logs and cancel report that several ids, or none, begin with the argument', async () => {
    for (const command of ['attach', 'logs', 'cancel']) {
      const several = await distillery(command, 'one');
      expect(several.stderr).to.equal('distillery: the ids of several runs begin with "one": one-2, one-1\n');
      expect(several.code).to.equal(2);
      const none = await distillery(command, 'nope');
      expect(none.stderr).to.equal('distillery: no run has the id "nope"; "distillery runs" lists all runs\n');
      expect(none.code).to.equal(2);
    }
  });

  it('T7: logs --job with an unknown job is an error that lists the jobs', async () => {
    for (const more of [[], ['--follow']]) {
      const { stdout, stderr, code } = await distillery('logs', ...more, '--job', 'nope', 'two-1');
      expect([stdout, code]).to.deep.equal(['', 2]);
      expect(stderr).to.equal('distillery: the run two-1 has no job "nope"; its jobs are build, silent, test\n');
      expect(await distillery('logs', ...more, '--job', 'test', 'two-1')).to.include({ stdout: 'testing\n', code: 0 });
      expect(await distillery('logs', ...more, '--job', 'silent', 'two-1')).to.include({ stdout: '', code: 0 });
    }
    const { stderr, code } = await distillery('logs', '--job', 'nope', 'say-1');
    expect(stderr).to.equal('distillery: the run say-1 has no jobs\n');
    expect(code).to.equal(2);
  });

  it('T8: call and attach print the name of the job before each line of a pipeline', async () => {
    const called = await distillery('call', 'release', '--id', 'three-1');
    expect(called.stdout).to.equal('[build] building\n[test] testing\n');
    expect(called.stderr).to.match(/^3 jobs: build, silent, test\n\[build\] started\n/m);
    expect(called.stderr).not.to.contain('{');
    expect((await distillery('attach', 'three-1')).stdout).to.equal('[build] building\n[test] testing\n');
    expect((await distillery('attach', '--tail', '1', 'three-1')).stdout).to.equal('[test] testing\n');
    expect((await distillery('call', 'say')).stdout).to.equal('hello\n');
  });

  it('T8: call and attach show the live view of a pipeline at a terminal, and lines with --plain', async () => {
    for (const args of [
      ['call', 'release'],
      ['attach', 'two-1'],
    ]) {
      const text = await atTerminal(80, ...args);
      expect(text).to.match(/build +succeeded +[\d.]+s {2}building\nsilent +succeeded +[\d.]+s\ntest +succeeded /);
      expect(text).not.to.contain('{"jobs"');
      expect(await atTerminal(80, ...args, '--plain'))
        .to.contain('[build] building\n')
        .and.contain('[test] testing\n');
    }
    expect(await atTerminal(80, 'call', 'say')).to.contain('hello\n');
  });
});
