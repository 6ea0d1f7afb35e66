// Tests `distillery call` with a real gateway: its output on stdout and stderr, and its exit codes.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { errors } from '../../protocol/errors.ts';
import { describeResponse } from '../../server/cli/gateway/connect-errors.ts';
import type { CliOptions, CliResult } from '../helpers/cli/run-cli.ts';
import { cliPath, runCli, startCli } from '../helpers/cli/run-cli.ts';
import type { TestGateway } from '../helpers/gateway/test-gateway.ts';
import { startTestGateway } from '../helpers/gateway/test-gateway.ts';

const yaml = `
calls:
  say: { process: [printf, '%s\\n', "\${what}"], params: [{ name: what, default: hello }] }
  text: { process: [printf, 'one\\n\\ntwo\\n\\xff\\nlast'] }
  exit: { process: [sh, -c, 'exit "$1"', sh, "\${code}"], params: [{ name: code }] }
  killed: { process: [sh, -c, 'kill -KILL $$'] }
  nowhere: { process: [/no/such/program] }
  slow: { process: [sleep, '60'], timeout: 100ms }
  sleep: { process: [sh, -c, 'echo ready; exec sleep 60'] }
  stubborn: { process: [sh, -c, 'trap "" TERM; echo ready; while :; do sleep 60; done'], stop: { grace: 60s } }
  cat: { process: [cat] }
  hex: { process: [od, -An, -tx1, -v] }
  bytes: { process: [wc, -c] }
  count: { process: [seq, '100000000'] }
  pty: { terminal: [sh, -c, 'stty size; cat'] }
`;

describe('distillery call', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  after(() => gateway.stop());

  const call = (args: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
    runCli(['call', ...args], { env: { DISTILLERY_URL: gateway.url }, ...options });
  const start = (args: readonly string[], options: CliOptions = {}) =>
    startCli(['call', ...args], { env: { DISTILLERY_URL: gateway.url }, ...options });

  it('call prints exactly the lines of the run on stdout and everything else on stderr', async () => {
    const { stdout, stderr, code } = await call(['text']);
    expect(code).to.equal(0);
    expect(stdout).to.equal('one\n\ntwo\n\ufffd\nlast\n');
    expect(stderr).to.match(
      /^run \S+ of text: running\nrun \S+ of text: ended\nsucceeded, exit code 0\nclean: process-1 .*\n$/,
    );
  });

  it('call --quiet prints only the lines', async () => {
    expect(await call(['text', '-q'])).to.include({ stderr: '', code: 0 });
  });

  it('call --result writes the result to a file as JSON', async () => {
    const file = join(gateway.folder, 'result.json');
    await call(['exit', '3', '--result', file]);
    expect(JSON.parse(await readFile(file, 'utf8'))).to.include({
      success: false,
      status: 'failed',
      exitCode: 3,
      next: 1,
    });
    const { stderr } = await call(['exit', '0', '--quiet', '--result', '-']);
    expect(JSON.parse(stderr)).to.deep.include({ success: true, status: 'succeeded' });
  });

  it('call takes everything after -- as params, even with a leading dash', async () => {
    expect((await call(['say', '--', '-n --version'])).stdout).to.equal('-n --version\n');
  });

  const codes: readonly (readonly [args: readonly string[], code: number, says: RegExp])[] = [
    [['exit', '0'], 0, /^succeeded/m],
    [['exit', '7'], 7, /^failed, exited with code 7/m],
    [['killed'], 137, /^failed.*SIGKILL/m],
    [['nowhere'], 1, /^failed, cannot start .*no such/m],
    [['slow'], 124, /^timed-out/m],
    [['nope'], 2, /^rejected, .*nope/m],
    [['exit'], 2, /^rejected, /m],
    [[], 2, /missing required argument 'name'/],
    [['exit', '--nope'], 2, /unknown option '--nope'\n.*put a param that begins with a dash after "--"/],
    [['say', '--url', 'nonsense'], 2, /"nonsense" is not an address/],
    [['say', '--url', 'http://127.0.0.1:1'], 125, /cannot connect to .*ECONNREFUSED[^]*distillery serve/],
    [['say', '--config', '/no/such.yaml'], 2, /no such file/],
  ];
  for (const [args, code, says] of codes) {
    it(`call exits with ${code} for "${['call', ...args].join(' ')}"`, async () => {
      const ended = await call(args);
      expect(ended.code, ended.stderr).to.equal(code);
      expect(ended.stderr).to.match(says);
      expect(ended.stdout).to.equal('');
    });
  }

  it('the hint about params that begin with a dash appears only after a usage error of call', async () => {
    const { stderr, code } = await runCli(['runs', '--nope']);
    expect([stderr, code]).to.deep.equal(["error: unknown option '--nope'\n(see --help for usage)\n", 2]);
  });

  it('call finds the gateway through the configuration', async () => {
    const { port } = new URL(gateway.url);
    await writeFile(join(gateway.folder, 'other.yaml'), `http: { api: true, listen: "127.0.0.1:${port}" }\n`);
    expect(await runCli(['call', 'say', '--config', join(gateway.folder, 'other.yaml')])).to.include({
      stdout: 'hello\n',
      code: 0,
    });
  });

  it('call reads only the address from the configuration: it runs no modules and ignores other errors', async () => {
    const { port } = new URL(gateway.url);
    const ran = join(gateway.folder, 'ran');
    await writeFile(
      join(gateway.folder, 'side-effect.ts'),
      `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(ran)}, '');`,
    );
    await mkdir(join(gateway.folder, 'client'));
    await writeFile(
      join(gateway.folder, 'client/distillery.yaml'),
      `http: { listen: "127.0.0.1:${port}" }\nmodules: [../side-effect.ts]\nodd: key\n`,
    );
    const cwd = join(gateway.folder, 'client');
    for (const args of [
      ['call', 'say'],
      ['call', 'say', '--config', 'distillery.yaml'],
    ])
      expect(await runCli(args, { cwd })).to.include({ stdout: 'hello\n', code: 0 });
    expect(await readdir(gateway.folder)).not.to.include('ran');
  });

  it('call reports every error in a configuration whose address is not valid', async () => {
    await writeFile(join(gateway.folder, 'bad.yaml'), 'http: { listen: nowhere }\nodd: key\n');
    const { code, stderr } = await runCli(['call', 'say', '--config', join(gateway.folder, 'bad.yaml')]);
    expect(code).to.equal(2);
    expect(stderr).to.match(/bad\.yaml:1:\d+: error: http\.listen: .*\n[^]*bad\.yaml:2:1: /);
  });

  it('a command says that the gateway is stopping', async () => {
    const { status, message } = errors.stopping;
    const address = { url: 'http://127.0.0.1:1', headers: {}, named: true };
    const body = JSON.stringify({ status, code: 'stopping', message });
    expect(await describeResponse(address, { status, statusText: '', location: undefined, body })).to.deep.equal({
      lines: [
        'the gateway at http://127.0.0.1:1 rejected the request: 503 the gateway is stopping; ' +
          'try again when it has started',
      ],
      rejected: true,
    });
  });

  it("call prints the gateway's message when it rejects the connection", async () => {
    const off = await startTestGateway('http: { listen: "127.0.0.1:0" }\n');
    try {
      const { code, stderr } = await runCli(['call', 'say', '--url', off.url]);
      expect(code).to.equal(125);
      expect(stderr).to.contain(
        `the gateway at ${off.url} rejected the request: 501 ${errors.not_implemented.message}`,
      );
      expect((await runCli(['call', 'say', '--url', `${off.url}/elsewhere`])).stderr).to.match(
        /rejected the request: 404/,
      );
    } finally {
      await off.stop();
    }
  });

  describe('stdin', () => {
    it('stdin is the input of the run, and its end ends the input', async () => {
      expect((await call(['cat'], { input: 'one\n\ntwo\n' })).stdout).to.equal('one\n\ntwo\n');
    });

    it('stdin is sent in full even if the last line has no newline', async () => {
      expect((await call(['cat'], { input: 'one\ntwo' })).stdout).to.equal('one\ntwo\n');
    });

    it('stdin may contain invalid UTF-8', async () => {
      expect((await call(['cat'], { input: Buffer.from([0x61, 0xff, 0x0a]) })).stdout).to.equal('a\ufffd\n');
    });

    it('stdin is not read with --no-stdin', async () => {
      const running = start(['cat', '--no-stdin']);
      expect(await running.result).to.include({ code: 0, stdout: '' });
    });

    it('stdin may be closed from the start', async () => {
      const { stdout } = await promisify(execFile)(
        'sh',
        ['-c', '"$0" "$1" call --quiet cat <&-', process.execPath, cliPath],
        { env: { ...process.env, DISTILLERY_URL: gateway.url } },
      );
      expect(stdout).to.equal('');
    });

    it('stdin may be large: 50 MB arrive complete', async () => {
      const line = `${'x'.repeat(79)}\n`;
      const { stdout, code } = await call(['bytes'], { input: line.repeat(625_000) });
      expect([stdout.trim(), code]).to.deep.equal(['50000000', 0]);
    });

    it('stdin has a limit per line, and the error has the number of the line', async () => {
      const { code, stderr } = await call(['bytes'], { input: `short\n${'x'.repeat(1 << 21)}\n` });
      expect(code).to.equal(125);
      expect(stderr).to.match(/line 2 of the input is longer than 1048576 bytes.*the run was cancelled/);
    });

    it('stdin does not delay the end of a run that reads none of it', async () => {
      const { stdout, stderr, code } = await call(['say'], { input: 'x\n'.repeat(2_000_000) });
      expect([stdout, code], stderr).to.deep.equal(['hello\n', 0]);
    });

    it('stdin reaches a terminal call unchanged', async () => {
      const { stdout, code } = await call(['pty'], { input: 'hello\n' });
      expect(code).to.equal(0);
      expect(stdout)
        .to.contain('24 80\r\n')
        .and.to.match(/hello[^]*hello\r\n/);
    });
  });

  describe('a signal', () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      it(`${signal} cancels the run and waits for the receipt`, async () => {
        const running = start(['sleep']);
        await running.waitForMatch(/ready/);
        running.child.kill(signal);
        const { code, stderr, stdout } = await running.result;
        expect(code).to.equal(130);
        expect(stdout).to.equal('ready\n');
        expect(stderr)
          .to.match(/^cancelled, /m)
          .and.to.match(/^clean: process-1 /m);
      });
    }

    it('a second signal skips the grace', async () => {
      const running = start(['stubborn']);
      await running.waitForMatch(/ready/);
      running.child.kill('SIGINT');
      await running.waitForMatch(/cancelling; Ctrl-C again skips the grace/);
      running.child.kill('SIGINT');
      const { code, stderr } = await running.result;
      expect(code).to.equal(130);
      expect(stderr).to.match(/^clean: process-1 .*SIGKILL/m);
    });

    it('a signal that arrives twice at once, as under npx, counts once', async () => {
      const running = start(['stubborn']);
      await running.waitForMatch(/ready/);
      running.child.kill('SIGINT');
      running.child.kill('SIGTERM');
      await running.waitForMatch(/cancelling; /);
      running.child.kill('SIGINT');
      const { stderr } = await running.result;
      expect(stderr.match(/skipping the grace/g)).to.have.length(1);
    });
  });

  it('call prints no error and cancels the run when the reader of its stdout closes the pipe', async () => {
    const script = '"$0" "$1" call count | head -1; exit "${PIPESTATUS[0]}"';
    const shell = spawn('bash', ['-c', script, process.execPath, cliPath], {
      env: { ...process.env, DISTILLERY_URL: gateway.url },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    shell.stdout.on('data', (text) => {
      stdout += String(text);
    });
    shell.stderr.on('data', (text) => {
      stderr += String(text);
    });
    const [code] = await once(shell, 'close');
    expect([code, stdout]).to.deep.equal([141, '1\n']);
    expect(stderr).to.match(/^run \S+ of count: running\n$/);
    const { runs } = (await gateway.getJson('/api/v1/http/runs')) as { runs: { call: string; outcome: string }[] };
    expect(runs.find((run) => run.call === 'count')).to.include({ outcome: 'cancelled' });
  });

  it('call handles signals while the reader of its stdout is paused', async () => {
    const running = startCli(['call', 'count'], { env: { DISTILLERY_URL: gateway.url } });
    running.child.stdout?.pause();
    await running.waitForMatch(/running/);
    running.child.kill('SIGTERM');
    await running.waitForMatch(/cancelling/);
    running.child.stdout?.resume();
    expect((await running.result).code).to.equal(130);
  });
});
