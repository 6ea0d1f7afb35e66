// Tests the commands for existing runs: attach, logs, runs, cancel, and call with --detach or --id.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import type { RunRecord } from '../../protocol/run-record.ts';
import { type CliOptions, cliPath, runCli, startCli } from '../helpers/cli/run-cli.ts';
import { expectIdle } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

const yaml = `
limits: { segmentBytesMax: 1048576 }
calls:
  count: { process: [seq, '5000'], onDisconnect: detach }
  held: { process: [sh, -c, 'seq 3; read -r line; echo "got $line"; exit 4'], onDisconnect: detach }
  deaf:
    process: [sh, -c, 'trap "" TERM; echo ready; while :; do sleep 0.05; done']
    onDisconnect: detach
    stop: { grace: 60s }
  asleep:
    process: [sh, -c, 'echo ready; exec sleep 60']
    onDisconnect: { default: detach, allow: [detach, "grace:30s"] }
  tidy:
    process: [sh, -c, 'trap "sleep 0.2; echo tidied; exit 0" TERM; echo ready; while :; do sleep 0.05; done']
    onDisconnect: detach
    stop: { grace: 60s }
  owned: { process: [sleep, "60"], onDisconnect: cancel }
  large: { process: [seq, '2000000'], onDisconnect: detach, retention: { bytes: 1m } }
`;

describe('commands for existing runs', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  afterEach(() => expectIdle(gateway));
  after(() => gateway.stop());

  const options = (more: CliOptions = {}): CliOptions => ({ env: { DISTILLERY_URL: gateway.url }, ...more });
  const distillery = (args: readonly string[], more: CliOptions = {}) => runCli(args, options(more));
  const start = (args: readonly string[]) => startCli(args, options());
  const getRun = (run: string) => gateway.getJson(`/api/v1/http/runs/${run}`) as Promise<RunRecord>;
  const runs: string[] = [];

  /**
   * Starts a run over the websocket and detaches, so that the input of the run remains open. Returns the id of the run.
   */
  async function startDetached(call: string): Promise<string> {
    const run = `${call}-${runs.length}`;
    runs.push(run);
    const client = await connectWsClient(gateway.wsUrl, ['distillery.v2']);
    client.sendControl({ call, run, onDisconnect: 'detach' });
    await client.next();
    client.sendControl({ signal: 'detach' });
    await client.readToEnd();
    return run;
  }

  describe('distillery call --detach', () => {
    it('call --detach prints only the id, and the run continues', async () => {
      const { stdout, stderr, code } = await distillery(['call', '--detach', 'asleep']);
      expect(code).to.equal(0);
      expect(stdout).to.match(/^[a-z2-7]{20}\n$/);
      const run = stdout.trim();
      expect(stderr).to.match(new RegExp(`the run continues: distillery attach ${run} --after \\d$`, 'm'));
      expect((await getRun(run)).state).to.be.oneOf(['queued', 'running']);
      expect(await distillery(['cancel', '-q', run])).to.include({ code: 0, stdout: '', stderr: '' });
      expect(await getRun(run)).to.include({ state: 'ended', outcome: 'cancelled' });
    });

    it('call --detach is rejected if the call does not allow clients to detach', async () => {
      const { stdout, stderr, code } = await distillery(['call', '--detach', 'owned']);
      expect([code, stdout]).to.deep.equal([2, '']);
      expect(stderr).to.match(/^rejected, .*cancel/m);
    });
  });

  it('call --id starts one run, however often it is repeated', async () => {
    const first = await distillery(['call', '--id', 'chosen', 'count']);
    expect(first.code).to.equal(0);
    const again = await distillery(['call', '--id', 'chosen', 'count']);
    expect([again.code, again.stdout]).to.deep.equal([0, first.stdout]);
    const other = await distillery(['call', '--id', 'chosen', 'asleep']);
    expect(other.code).to.equal(2);
    expect(other.stderr).to.match(/^rejected, .*chosen/m);
  });

  it('call --on-disconnect sets the policy, and a policy that the call does not allow is rejected', async () => {
    const running = start(['call', '--on-disconnect', 'grace:30s', 'asleep']);
    const run = (await running.waitForMatch(/run (\S+) of/))[1]!;
    await running.waitForMatch(/ready/);
    running.child.kill('SIGKILL');
    await running.result;
    expect(await getRun(run)).to.include({ state: 'running' });
    await distillery(['cancel', run]);
    expect((await distillery(['call', '--on-disconnect', 'never', 'asleep'])).code).to.equal(2);
  });

  describe('distillery attach', () => {
    it('attach prints the run from any line and exits with the exit code of the run', async () => {
      const run = await startDetached('held');
      const watching = start(['attach', run, '--after', '1']);
      await watching.waitForMatch(/3\n/);
      expect(await distillery(['attach', '--input', run], { input: 'me\n' })).to.include({
        stdout: '1\n2\n3\ngot me\n',
        code: 4,
      });
      const { stdout, stderr, code } = await watching.result;
      expect([stdout, code]).to.deep.equal(['2\n3\ngot me\n', 4]);
      expect(stderr).to.match(/^failed, exited with code 4\nclean: /m);
      expect(await distillery(['attach', run, '--tail', '1', '--quiet'])).to.include({
        stdout: 'got me\n',
        stderr: '',
        code: 4,
      });
    });

    it('attach detaches on Ctrl-C and prints the command that attaches again', async () => {
      const run = await startDetached('asleep');
      const watching = start(['attach', run]);
      await watching.waitForMatch(/ready/);
      watching.child.kill('SIGINT');
      const { stderr, code } = await watching.result;
      expect(code).to.equal(0);
      expect(stderr).to.match(
        new RegExp(`detached after line 1; the run continues: distillery attach ${run} --after 1$`, 'm'),
      );
      expect(await getRun(run)).to.include({ state: 'running' });
      await distillery(['cancel', run]);
    });

    it('attach exits after the reader of its stdout closed the pipe', async () => {
      const run = await startDetached('asleep');
      const script = '"$0" "$1" attach "$2" | head -1; exit "${PIPESTATUS[0]}"';
      const shell = spawn('bash', ['-c', script, process.execPath, cliPath, run], {
        env: { ...process.env, DISTILLERY_URL: gateway.url },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      shell.stdout.resume();
      // attach notices the closed pipe only when it writes again. This run prints no more lines, so cancel it.
      const closed = once(shell, 'close');
      await distillery(['cancel', run]);
      const [code] = await closed;
      expect(code).to.be.oneOf([130, 141]);
    });

    it('attach reports an unknown run', async () => {
      const { stderr, code } = await distillery(['attach', 'nowhere']);
      expect(code).to.equal(2);
      expect(stderr).to.match(/^distillery: no run has the id "nowhere"; /m);
    });
  });

  describe('distillery logs', () => {
    it('the command logs prints the stored lines and nothing else', async () => {
      const run = await startDetached('held');
      await start(['attach', run]).waitForMatch(/3\n/);
      expect(await distillery(['logs', run])).to.include({ stdout: '1\n2\n3\n', stderr: '', code: 0 });
      expect(await distillery(['logs', run, '--after', '2'])).to.include({ stdout: '3\n', code: 0 });
      expect(await distillery(['logs', run, '--tail', '2'])).to.include({ stdout: '2\n3\n', code: 0 });
      const following = start(['logs', '-f', '--tail', '1', run]);
      await following.waitForMatch(/3\n/);
      await distillery(['attach', '--input', run], { input: 'x\n' });
      expect(await following.result).to.include({ stdout: '3\ngot x\n', stderr: '', code: 0 });
    });

    it('the command logs reads the lines page by page', async () => {
      const { stdout } = await distillery(['logs', 'chosen']);
      expect(stdout).to.equal(Array.from({ length: 5_000 }, (_, i) => `${i + 1}\n`).join(''));
    });

    it('the command logs reports which lines retention removed', async () => {
      const run = await startDetached('large');
      await start(['attach', '-q', run]).result;
      for (;;) {
        const { stdout, stderr, code } = await distillery(['logs', run]);
        expect(code, stderr).to.equal(0);
        const gone = /lines 1 to (\d+) are no longer available \(retention\)/.exec(stderr);
        if (gone === null) continue;
        expect(stdout.slice(0, stdout.indexOf('\n'))).to.equal(String(Number(gone[1]) + 1));
        expect(stdout.endsWith('\n2000000\n')).to.equal(true);
        return;
      }
    });

    it('the command logs reports an unknown run, and a gateway that does not answer', async () => {
      expect(await distillery(['logs', 'nowhere'])).to.include({ code: 2, stdout: '' });
      const gone = await startTestGateway('');
      await gone.stop();
      const { code, stderr } = await distillery(['logs', 'x', '--url', gone.url]);
      expect(code).to.equal(125);
      expect(stderr).to.match(/cannot connect to .*ECONNREFUSED.*\nIs the gateway running/);
    });
  });

  describe('distillery runs', () => {
    it('the command runs lists runs, newest first', async () => {
      const { stdout, code } = await distillery(['runs', '--limit', '2']);
      expect(code).to.equal(0);
      const [heading, ...rows] = stdout.trimEnd().split('\n');
      expect(heading).to.match(/^RUN +CALL +STATE +AGE +TOOK +LINES$/);
      expect(rows).to.have.length(2);
      const { runs: listed } = (await gateway.getJson('/api/v1/http/runs?limit=2')) as { runs: RunRecord[] };
      for (const [i, row] of rows.entries())
        expect(row.split(/ +/).slice(0, 3)).to.deep.equal([listed[i]!.id, listed[i]!.call, listed[i]!.outcome]);
    });

    it('the command runs lists the runs in one state as JSON', async () => {
      const run = await startDetached('asleep');
      const { stdout } = await distillery(['runs', '--state', 'running', '--json']);
      expect(JSON.parse(stdout)).to.include({ id: run, state: 'running' });
      await distillery(['cancel', run]);
      expect(await distillery(['runs', '--state', 'running', '--json'])).to.include({ stdout: '', code: 0 });
      expect((await distillery(['runs', '--state', 'odd'])).code).to.equal(2);
      expect((await distillery(['runs', '--outcome', 'odd'])).code).to.equal(2);
      expect((await distillery(['runs', '--since', 'yesterday'])).code).to.equal(2);
      expect((await distillery(['runs', '--limit', '-1'])).code).to.equal(2);
    });
  });

  describe('distillery cancel', () => {
    it('cancel prints outcome and receipt, and Ctrl-C skips the grace', async () => {
      const run = await startDetached('deaf');
      await start(['attach', run]).waitForMatch(/ready/);
      const cancelling = start(['cancel', run]);
      await cancelling.waitForMatch(/cancelling$/m);
      cancelling.child.kill('SIGINT');
      const { stdout, stderr, code } = await cancelling.result;
      expect([stdout, code]).to.deep.equal(['', 0]);
      expect(stderr).to.match(/^cancelled, client requested cancellation\nclean: process-1 SIGKILL/m);
      expect(await distillery(['cancel', run])).to.include({ code: 0 });
    });

    it('cancel lets the run end by itself within the grace', async () => {
      const run = await startDetached('tidy');
      await start(['attach', run]).waitForMatch(/ready/);
      const { stderr, code } = await distillery(['cancel', run]);
      expect(code).to.equal(0);
      expect(stderr).to.match(/^clean: process-1 SIGTERM/m);
      expect((await distillery(['logs', run])).stdout).to.match(/^tidied$/m);
    });

    it('cancel --no-wait exits without waiting for the end of the run', async () => {
      const run = await startDetached('asleep');
      expect(await distillery(['cancel', '--no-wait', run])).to.include({ code: 0 });
      await expectIdle(gateway);
      expect(await getRun(run)).to.include({ outcome: 'cancelled' });
    });

    it('cancel reports an unknown run', async () => {
      expect(await distillery(['cancel', 'nowhere'])).to.include({ code: 2 });
    });

    it('every command rejects an invalid run id and states the rule for ids', async () => {
      for (const args of [
        ['cancel', 'a b'],
        ['attach', '../x'],
        ['logs', '_a'],
        ['call', '--id', 'a b', 'count'],
        ['run', '--id', 'é', '-'],
      ]) {
        const { stderr, code } = await distillery(args);
        expect(code, args.join(' ')).to.equal(2);
        expect(stderr, args.join(' ')).to.contain('It must be 1 to 64 letters, digits, "_" and "-"');
      }
    });
  });
});
