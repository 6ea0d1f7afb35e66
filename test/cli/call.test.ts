// `distillery call` against a real gateway: what it prints where, and how it exits.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { bin, cli, startCli } from '../helpers/cli.ts';
import type { CliOptions, Ended } from '../helpers/cli.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import type { TestGateway } from '../helpers/gateway.ts';

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
  this.timeout(30_000);
  let gateway: TestGateway;
  before(async () => { gateway = await startTestGateway(yaml); });
  after(() => gateway.stop());

  const call = (args: readonly string[], options: CliOptions = {}): Promise<Ended> =>
    cli(['call', ...args], { env: { DISTILLERY_URL: gateway.url }, ...options });
  const start = (args: readonly string[], options: CliOptions = {}) => startCli(['call', ...args], { env: { DISTILLERY_URL: gateway.url }, ...options });

  it('prints exactly the lines of the run on stdout, and the rest on stderr', async () => {
    const { stdout, stderr, code } = await call(['text']);
    expect(code).to.equal(0);
    expect(stdout).to.equal('one\n\ntwo\n\ufffd\nlast\n');
    expect(stderr).to.match(/^run \S+ of text: running\nrun \S+ of text: ended\nsucceeded, exit code 0\nclean: process-1 .*\n$/);
  });

  it('says nothing but the lines with --quiet', async () => {
    expect(await call(['text', '-q'])).to.include({ stderr: '', code: 0 });
  });

  it('writes the result as JSON where --result says', async () => {
    const file = join(gateway.folder, 'result.json');
    await call(['exit', '3', '--result', file]);
    expect(JSON.parse(await readFile(file, 'utf8'))).to.include({ success: false, status: 'failed', exitCode: 3, next: 1 });
    const { stderr } = await call(['exit', '0', '--quiet', '--result', '-']);
    expect(JSON.parse(stderr)).to.deep.include({ success: true, status: 'succeeded' });
  });

  it('passes params that begin with a dash after --', async () => {
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
    [['exit', '--nope'], 2, /unknown option '--nope'/],
    [['say', '--url', 'nonsense'], 2, /"nonsense" is not an address/],
    [['say', '--url', 'http://127.0.0.1:1'], 125, /cannot connect to .*ECONNREFUSED[^]*distillery serve/],
    [['say', '--config', '/no/such.yaml'], 2, /no such file/],
  ];
  for (const [args, code, says] of codes) {
    it(`exits with ${code} for "${['call', ...args].join(' ')}"`, async () => {
      const ended = await call(args);
      expect(ended.code, ended.stderr).to.equal(code);
      expect(ended.stderr).to.match(says);
      expect(ended.stdout).to.equal('');
    });
  }

  it('finds the gateway by the configuration', async () => {
    const { port } = new URL(gateway.url);
    const { writeFile } = await import('node:fs/promises');
    await writeFile(join(gateway.folder, 'other.yaml'), `http: { api: true, listen: "127.0.0.1:${port}" }\n`);
    expect(await cli(['call', 'say', '--config', join(gateway.folder, 'other.yaml')])).to.include({ stdout: 'hello\n', code: 0 });
  });

  it('says what the gateway said when it refuses the connection', async () => {
    const off = await startTestGateway('http: { listen: "127.0.0.1:0" }\n');
    try {
      const { code, stderr } = await cli(['call', 'say', '--url', off.url]);
      expect(code).to.equal(125);
      expect(stderr).to.contain(`the gateway at ${off.url} refused: 501 API is not implemented on this server`);
      expect((await cli(['call', 'say', '--url', `${off.url}/elsewhere`])).stderr).to.match(/refused: 404/);
    } finally {
      await off.stop();
    }
  });

  describe('stdin', () => {
    it('is the input, and its end is the end', async () => {
      expect((await call(['cat'], { input: 'one\n\ntwo\n' })).stdout).to.equal('one\n\ntwo\n');
    });

    it('counts although the last line has no newline', async () => {
      expect((await call(['cat'], { input: 'one\ntwo' })).stdout).to.equal('one\ntwo\n');
    });

    it('may be broken UTF-8', async () => {
      expect((await call(['cat'], { input: Buffer.from([0x61, 0xff, 0x0a]) })).stdout).to.equal('a\ufffd\n');
    });

    it('is not read with --no-stdin', async () => {
      const running = start(['cat', '--no-stdin']);
      expect(await running.ended).to.include({ code: 0, stdout: '' });
    });

    it('may be closed from the start', async () => {
      const { stdout } = await promisify(execFile)('sh', ['-c', '"$0" "$1" call --quiet cat <&-', process.execPath, bin], { env: { ...process.env, DISTILLERY_URL: gateway.url } });
      expect(stdout).to.equal('');
    });

    it('may be large: 50 MB arrive whole', async () => {
      const line = `${'x'.repeat(79)}\n`;
      const { stdout, code } = await call(['bytes'], { input: line.repeat(625_000) });
      expect([stdout.trim(), code]).to.deep.equal(['50000000', 0]);
    });

    it('has a bound for one line, and says so', async () => {
      const { code, stderr } = await call(['bytes'], { input: `short\n${'x'.repeat(1 << 21)}\n` });
      expect(code).to.equal(125);
      expect(stderr).to.match(/line 2 of the input is longer than 1048576 bytes.*the run was cancelled/);
    });

    it('is not needed by work that reads none of it', async () => {
      const { stdout, stderr, code } = await call(['say'], { input: 'x\n'.repeat(2_000_000) });
      expect([stdout, code], stderr).to.deep.equal(['hello\n', 0]);
    });

    it('goes to a terminal as it is', async () => {
      const { stdout, code } = await call(['pty'], { input: 'hello\n' });
      expect(code).to.equal(0);
      expect(stdout).to.contain('24 80\r\n').and.to.match(/hello[^]*hello\r\n/);
    });
  });

  describe('a signal', () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      it(`${signal} cancels and waits for the receipt`, async () => {
        const running = start(['sleep']);
        await running.says(/ready/);
        running.child.kill(signal);
        const { code, stderr, stdout } = await running.ended;
        expect(code).to.equal(130);
        expect(stdout).to.equal('ready\n');
        expect(stderr).to.match(/^cancelled, /m).and.to.match(/^clean: process-1 /m);
      });
    }

    it('twice skips the grace', async () => {
      const running = start(['stubborn']);
      await running.says(/ready/);
      running.child.kill('SIGINT');
      await running.says(/cancelling; Ctrl-C again skips the grace/);
      running.child.kill('SIGINT');
      const { code, stderr } = await running.ended;
      expect(code).to.equal(130);
      expect(stderr).to.match(/^clean: process-1 .*SIGKILL/m);
    });

    it('that arrives twice at once, as npx makes it, counts once', async () => {
      const running = start(['stubborn']);
      await running.says(/ready/);
      running.child.kill('SIGINT');
      running.child.kill('SIGTERM');
      await running.says(/cancelling; /);
      running.child.kill('SIGINT');
      const { stderr } = await running.ended;
      expect(stderr.match(/skipping the grace/g)).to.have.length(1);
    });
  });

  it('ends quietly when its reader goes away, and cancels the run', async () => {
    const script = '"$0" "$1" call count | head -1; exit "${PIPESTATUS[0]}"';
    const shell = spawn('bash', ['-c', script, process.execPath, bin], { env: { ...process.env, DISTILLERY_URL: gateway.url }, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    shell.stdout.on('data', (text) => { stdout += String(text); });
    shell.stderr.on('data', (text) => { stderr += String(text); });
    const [code] = await once(shell, 'close');
    expect([code, stdout]).to.deep.equal([141, '1\n']);
    expect(stderr).to.match(/^run \S+ of count: running\n$/);
    const { runs } = (await gateway.getJson('/api/v1/http/runs')) as { runs: { call: string; outcome: string }[] };
    expect(runs.find((run) => run.call === 'count')).to.include({ outcome: 'cancelled' });
  });

  it('waits for a slow reader without filling its memory', async () => {
    const running = startCli(['call', 'count'], { env: { DISTILLERY_URL: gateway.url } });
    running.child.stdout?.pause();
    await running.says(/running/);
    running.child.kill('SIGTERM');
    await running.says(/cancelling/);
    running.child.stdout?.resume();
    expect((await running.ended).code).to.equal(130);
  });
});
