// Tests a gateway whose wall clock is set while it runs and while it is stopped.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunRecord } from '../../protocol/run-record.ts';
import { type RunningCli, runCli, startCli } from '../helpers/cli/run-cli.ts';
import { createFakeClock, type FakeClock } from '../helpers/gateway/fake-clock.ts';
import { waitUntil, withDeadline } from '../helpers/wait-until.ts';

describe('a gateway whose clock is set', function () {
  this.timeout(60_000);
  let folder: string;
  let clock: FakeClock;
  let served: RunningCli;
  let url: string;

  async function start(): Promise<void> {
    served = startCli(['serve'], { cwd: folder, env: { LOG_LEVEL: 'warn', ...clock.env } });
    url = (await withDeadline('the gateway listens', served.waitForMatch(/listening on (http:\S+)/), 30_000))[1]!;
  }

  async function stop(): Promise<void> {
    served.child.kill('SIGTERM');
    await withDeadline('the gateway ends', served.result, 30_000);
  }

  async function configure(retention: string): Promise<void> {
    await writeFile(
      join(folder, 'distillery.yaml'),
      `
http: { api: true, listen: "127.0.0.1:0" }
data: data
shutdown: { grace: 0s }
limits: { retentionIntervalMs: 50ms }
retention: ${retention}
pipelines: { hostJobs: true }
calls:
  job: { pipeline: job.yaml }
  hello: { process: [echo, hello] }
  wait: { process: [sh, -c, 'echo begin; read answer; echo end'], timeout: 1m }
`,
    );
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'clock-'));
    clock = createFakeClock(folder);
    const script = `echo begin; until [ -e ${folder}/go ]; do sleep 0.05; done`;
    await writeFile(join(folder, 'job.yaml'), `workflow: [build]\nbuild: { host: true, script: '${script}' }\n`);
    await configure('{ age: 30d }');
    await start();
  });

  afterEach(async () => {
    await stop();
    await rm(folder, { recursive: true, force: true });
  });

  const runs = async (): Promise<readonly RunRecord[]> => {
    const response = await fetch(`${url}/api/v1/http/runs`, { headers: { connection: 'close' } });
    return ((await response.json()) as { runs: readonly RunRecord[] }).runs;
  };

  it('P9: a run has the right duration in its record and on the command line if the clock is set back', async () => {
    const waiting = startCli(['call', '--url', url, 'wait'], { cwd: folder });
    await waiting.waitForMatch(/begin/);
    await clock.set('-1h');
    waiting.child.stdin!.end('go\n');
    const { code, stderr } = await waiting.result;
    expect({ code, stderr }).to.deep.include({ code: 0 });
    expect(stderr).not.to.match(/in -\d/);
    const [record] = await runs();
    expect(Date.parse(record!.endedAt!)).to.be.lessThan(Date.parse(record!.startedAt!));
    expect(record!.durationMs).to.be.within(0, 60_000);
    const { stdout } = await runCli(['runs', '--url', url], { cwd: folder });
    expect(stdout).to.match(/succeeded +\S+ +\d+(?:\.\d)?s/);
  });

  it('P9: a job has the right duration if the clock is set back', async () => {
    const waiting = startCli(['call', '--url', url, 'job'], { cwd: folder });
    await waiting.waitForMatch(/begin/);
    await clock.set('-1h');
    await writeFile(join(folder, 'go'), '');
    const { code, stderr } = await waiting.result;
    expect(code, stderr).to.equal(0);
    expect(stderr)
      .to.match(/succeeded in \d/)
      .and.not.to.match(/in -\d/);
  });

  it('P9: a clock that is set forward does not make a run time out', async () => {
    const waiting = startCli(['call', '--url', url, 'wait'], { cwd: folder });
    await waiting.waitForMatch(/begin/);
    await clock.set('+60d');
    waiting.child.stdin!.end('go\n');
    expect((await waiting.result).code).to.equal(0);
    expect((await runs())[0]!.durationMs).to.be.within(0, 60_000);
  });

  it('P9: retention removes no run when the clock is set while the gateway runs or is stopped', async () => {
    for (const offset of ['+0d', '+60d', '-60d', '+400d']) {
      await clock.set(offset);
      expect((await runCli(['call', '--url', url, 'hello'], { cwd: folder })).code).to.equal(0);
    }
    // The sweep that a call requests may run only after the next jump. The sweep at each start certainly follows the
    // jump before that start.
    await stop();
    await clock.set('+4000d');
    await start();
    expect((await runCli(['call', '--url', url, 'hello'], { cwd: folder })).code).to.equal(0);
    await stop();
    await clock.set('-4000d');
    await start();
    expect(await runs()).to.have.length(5);
  });

  it('P9: retention removes runs of the configured age, whatever the clock shows', async () => {
    await clock.set('-60d');
    expect((await runCli(['call', '--url', url, 'hello'], { cwd: folder })).code).to.equal(0);
    await stop();
    await configure('{ age: 1s }');
    await start();
    await waitUntil('the run is removed', async () => (await runs()).length === 0);
  });
});
