// Runs and their watchers at the command line: left, come back to, fed, stopped and listed by commands of their own.

import { expect } from 'chai';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import type { RunRecord } from '../../protocol/record.ts';
import { bin, cli, startCli, type CliOptions } from '../helpers/cli.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { settled } from '../helpers/settled.ts';
import { wsClient } from '../helpers/ws-client.ts';

const yaml = `
limits: { segmentBytesMax: 1048576 }
calls:
  count: { process: [seq, '5000'], onDisconnect: detach }
  held: { process: [sh, -c, 'seq 3; read -r line; echo "got $line"; exit 4'], onDisconnect: detach }
  deaf: { process: [sh, -c, 'trap "" TERM; echo ready; while :; do sleep 0.05; done'], onDisconnect: detach, stop: { grace: 60s } }
  asleep: { process: [sh, -c, 'echo ready; exec sleep 60'], onDisconnect: { default: detach, allow: [detach, "grace:30s"] } }
  tidy: { process: [sh, -c, 'trap "sleep 0.2; echo tidied; exit 0" TERM; echo ready; while :; do sleep 0.05; done'], onDisconnect: detach, stop: { grace: 60s } }
  owned: { process: [sleep, "60"], onDisconnect: cancel }
  large: { process: [seq, '2000000'], onDisconnect: detach, retention: { bytes: 1m } }
`;

describe('the command line, of a run that exists', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => { gateway = await startTestGateway(yaml); });
  afterEach(() => settled(gateway));
  after(() => gateway.stop());

  const options = (more: CliOptions = {}): CliOptions => ({ env: { DISTILLERY_URL: gateway.url }, ...more });
  const distillery = (args: readonly string[], more: CliOptions = {}) => cli(args, options(more));
  const start = (args: readonly string[]) => startCli(args, options());
  const recordOf = (run: string) => gateway.getJson(`/api/v1/http/runs/${run}`) as Promise<RunRecord>;
  const runs: string[] = [];

  /** Through the wire, so that its input stays open. */
  async function leave(call: string): Promise<string> {
    const run = `${call}-${runs.length}`;
    runs.push(run);
    const client = await wsClient(gateway.wsUrl, ['distillery.v2']);
    client.control({ call, run, onDisconnect: 'detach' });
    await client.next();
    client.control({ signal: 'detach' });
    await client.rest();
    return run;
  }

  describe('distillery call --detach', () => {
    it('prints the id of the run alone, and the run goes on', async () => {
      const { stdout, stderr, code } = await distillery(['call', '--detach', 'asleep']);
      expect(code).to.equal(0);
      expect(stdout).to.match(/^[a-z2-7]{20}\n$/);
      const run = stdout.trim();
      expect(stderr).to.match(new RegExp(`the run goes on: distillery attach ${run} --after \\d$`, 'm'));
      expect((await recordOf(run)).state).to.be.oneOf(['queued', 'running']);
      expect(await distillery(['cancel', '-q', run])).to.include({ code: 0, stdout: '', stderr: '' });
      expect(await recordOf(run)).to.include({ state: 'ended', outcome: 'cancelled' });
    });

    it('is refused by a call whose clients may not leave', async () => {
      const { stdout, stderr, code } = await distillery(['call', '--detach', 'owned']);
      expect([code, stdout]).to.deep.equal([2, '']);
      expect(stderr).to.match(/^rejected, .*cancel/m);
    });
  });

  it('call --id starts a run once, however often it is asked for', async () => {
    const first = await distillery(['call', '--id', 'chosen', 'count']);
    expect(first.code).to.equal(0);
    const again = await distillery(['call', '--id', 'chosen', 'count']);
    expect([again.code, again.stdout]).to.deep.equal([0, first.stdout]);
    const other = await distillery(['call', '--id', 'chosen', 'asleep']);
    expect(other.code).to.equal(2);
    expect(other.stderr).to.match(/^rejected, .*chosen/m);
  });

  it('call --on-disconnect says what becomes of the run, and is refused by name when the call does not allow it', async () => {
    const running = start(['call', '--on-disconnect', 'grace:30s', 'asleep']);
    const run = (await running.says(/run (\S+) of/))[1]!;
    await running.says(/ready/);
    running.child.kill('SIGKILL');
    await running.ended;
    expect(await recordOf(run)).to.include({ state: 'running' });
    await distillery(['cancel', run]);
    expect((await distillery(['call', '--on-disconnect', 'never', 'asleep'])).code).to.equal(2);
  });

  describe('distillery attach', () => {
    it('tells the run from its beginning, or from any line, with the exit code of the work', async () => {
      const run = await leave('held');
      const watching = start(['attach', run, '--after', '1']);
      await watching.says(/3\n/);
      expect(await distillery(['attach', '--input', run], { input: 'me\n' })).to.include({ stdout: '1\n2\n3\ngot me\n', code: 4 });
      const { stdout, stderr, code } = await watching.ended;
      expect([stdout, code]).to.deep.equal(['2\n3\ngot me\n', 4]);
      expect(stderr).to.match(/^failed, exited with code 4\nclean: /m);
      expect(await distillery(['attach', run, '--tail', '1', '--quiet'])).to.include({ stdout: 'got me\n', stderr: '', code: 4 });
    });

    it('leaves the run on Ctrl-C, and says how to come back', async () => {
      const run = await leave('asleep');
      const watching = start(['attach', run]);
      await watching.says(/ready/);
      watching.child.kill('SIGINT');
      const { stderr, code } = await watching.ended;
      expect(code).to.equal(0);
      expect(stderr).to.match(new RegExp(`left after line 1; the run goes on: distillery attach ${run} --after 1$`, 'm'));
      expect(await recordOf(run)).to.include({ state: 'running' });
      await distillery(['cancel', run]);
    });

    it('leaves the run when its reader goes away', async () => {
      const run = await leave('asleep');
      const script = '"$0" "$1" attach "$2" | head -1; exit "${PIPESTATUS[0]}"';
      const shell = spawn('bash', ['-c', script, process.execPath, bin, run], { env: { ...process.env, DISTILLERY_URL: gateway.url }, stdio: ['ignore', 'pipe', 'inherit'] });
      shell.stdout.resume();
      // Nothing more is printed that could not be written: a reader that went away shows with the next line.
      const held = once(shell, 'close');
      await distillery(['cancel', run]);
      const [code] = await held;
      expect(code).to.be.oneOf([130, 141]);
    });

    it('says that there is no such run', async () => {
      const { stderr, code } = await distillery(['attach', 'nowhere']);
      expect(code).to.equal(2);
      expect(stderr).to.match(/^rejected, no such run "nowhere"$/m);
    });
  });

  describe('distillery logs', () => {
    it('prints what is stored, and nothing else', async () => {
      const run = await leave('held');
      await start(['attach', run]).says(/3\n/);
      expect(await distillery(['logs', run])).to.include({ stdout: '1\n2\n3\n', stderr: '', code: 0 });
      expect(await distillery(['logs', run, '--after', '2'])).to.include({ stdout: '3\n', code: 0 });
      expect(await distillery(['logs', run, '--tail', '2'])).to.include({ stdout: '2\n3\n', code: 0 });
      const following = start(['logs', '-f', '--tail', '1', run]);
      await following.says(/3\n/);
      await distillery(['attach', '--input', run], { input: 'x\n' });
      expect(await following.ended).to.include({ stdout: '3\ngot x\n', stderr: '', code: 0 });
    });

    it('reads page by page', async () => {
      const { stdout } = await distillery(['logs', 'chosen']);
      expect(stdout).to.equal(Array.from({ length: 5_000 }, (_, i) => `${i + 1}\n`).join(''));
    });

    it('tells which lines are gone', async () => {
      const run = await leave('large');
      await start(['attach', '-q', run]).ended;
      for (;;) {
        const { stdout, stderr, code } = await distillery(['logs', run]);
        expect(code).to.equal(0);
        const gone = /lines 1 to (\d+) are not there any more \(retention\)/.exec(stderr);
        if (gone === null) continue;
        expect(stdout.slice(0, stdout.indexOf('\n'))).to.equal(String(Number(gone[1]) + 1));
        expect(stdout.endsWith('\n2000000\n')).to.equal(true);
        return;
      }
    });

    it('says that there is no such run, or no gateway', async () => {
      expect(await distillery(['logs', 'nowhere'])).to.include({ code: 2, stdout: '' });
      const gone = await startTestGateway('');
      await gone.stop();
      const { code, stderr } = await distillery(['logs', 'x', '--url', gone.url]);
      expect(code).to.equal(125);
      expect(stderr).to.match(/cannot connect to .*ECONNREFUSED.*\nIs the gateway running/);
    });
  });

  describe('distillery runs', () => {
    it('lists them, newest first', async () => {
      const { stdout, code } = await distillery(['runs', '--limit', '2']);
      expect(code).to.equal(0);
      const [heading, ...rows] = stdout.trimEnd().split('\n');
      expect(heading).to.match(/^RUN +CALL +STATE +AGE +TOOK +LINES$/);
      expect(rows).to.have.length(2);
      const { runs: told } = (await gateway.getJson('/api/v1/http/runs?limit=2')) as { runs: RunRecord[] };
      for (const [i, row] of rows.entries()) expect(row.split(/ +/).slice(0, 3)).to.deep.equal([told[i]!.id, told[i]!.call, told[i]!.outcome]);
    });

    it('lists those in a state, as JSON', async () => {
      const run = await leave('asleep');
      const { stdout } = await distillery(['runs', '--state', 'running', '--json']);
      expect(JSON.parse(stdout)).to.include({ id: run, state: 'running' });
      await distillery(['cancel', run]);
      expect(await distillery(['runs', '--state', 'running', '--json'])).to.include({ stdout: '', code: 0 });
      expect((await distillery(['runs', '--state', 'odd'])).code).to.equal(2);
      expect((await distillery(['runs', '--limit', '-1'])).code).to.equal(2);
    });
  });

  describe('distillery cancel', () => {
    it('tells outcome and receipt, and Ctrl-C skips the grace', async () => {
      const run = await leave('deaf');
      await start(['attach', run]).says(/ready/);
      const cancelling = start(['cancel', run]);
      await cancelling.says(/cancelling$/m);
      cancelling.child.kill('SIGINT');
      const { stdout, stderr, code } = await cancelling.ended;
      expect([stdout, code]).to.deep.equal(['', 0]);
      expect(stderr).to.match(/^cancelled, client requested cancellation\nclean: process-1 SIGKILL/m);
      expect(await distillery(['cancel', run])).to.include({ code: 0 });
    });

    it('leaves the run the time to end in good order', async () => {
      const run = await leave('tidy');
      await start(['attach', run]).says(/ready/);
      const { stderr, code } = await distillery(['cancel', run]);
      expect(code).to.equal(0);
      expect(stderr).to.match(/^clean: process-1 SIGTERM/m);
      expect((await distillery(['logs', run])).stdout).to.match(/^tidied$/m);
    });

    it('need not wait', async () => {
      const run = await leave('asleep');
      expect(await distillery(['cancel', '--no-wait', run])).to.include({ code: 0 });
      await settled(gateway);
      expect(await recordOf(run)).to.include({ outcome: 'cancelled' });
    });

    it('says that there is no such run', async () => {
      expect(await distillery(['cancel', 'nowhere'])).to.include({ code: 2 });
    });

    it('says what an id of a run is, as every command does', async () => {
      for (const args of [['cancel', 'a b'], ['attach', '../x'], ['logs', '_a'], ['call', '--id', 'a b', 'count'], ['run', '--id', 'é', '-']]) {
        const { stderr, code } = await distillery(args);
        expect(code, args.join(' ')).to.equal(2);
        expect(stderr, args.join(' ')).to.contain('It must be 1 to 64 letters, digits, "_" and "-"');
      }
    });
  });
});
