// Tests a gateway that is started with a copy of the data folder of another one.

import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunRecord } from '../../protocol/run-record.ts';
import { type RunningCli, runCli, startCli } from '../helpers/cli/run-cli.ts';
import { leftoverProcesses } from '../helpers/leftovers.ts';
import { withDeadline } from '../helpers/wait-until.ts';

describe('a copy of a data folder', function () {
  this.timeout(60_000);
  let folder: string;
  const started: RunningCli[] = [];

  async function start(name: string, ...flags: readonly string[]): Promise<string> {
    const served = startCli(['serve', ...flags], { cwd: join(folder, name), env: { LOG_LEVEL: 'fatal' } });
    started.push(served);
    return (await withDeadline('the gateway listens', served.waitForMatch(/listening on (http:\S+)/), 30_000))[1]!;
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'copied-'));
    await mkdir(join(folder, 'original'));
    await writeFile(
      join(folder, 'original', 'distillery.yaml'),
      `
http: { api: true, listen: "127.0.0.1:0" }
data: data
shutdown: { grace: 0s }
calls:
  sleep: { process: [sleep, "1000"], stop: { grace: 1s }, onDisconnect: { default: detach } }
`,
    );
  });

  afterEach(async () => {
    for (const { child } of started) child.kill('SIGTERM');
    for (const { result } of started.splice(0)) await withDeadline('the gateway ends', result, 30_000);
    await rm(folder, { recursive: true, force: true });
  });

  const runs = async (url: string): Promise<readonly RunRecord[]> => {
    const response = await fetch(`${url}/api/v1/http/runs`, { headers: { connection: 'close' } });
    return ((await response.json()) as { runs: readonly RunRecord[] }).runs;
  };

  it('S4: a gateway does not start with a copy of data in use, and ends no process of the other gateway', async () => {
    const original = await start('original');
    const call = startCli(['call', '--url', original, 'sleep'], { cwd: folder });
    await call.waitForMatch(/run (\S+) of sleep/);
    const [{ id }] = (await runs(original)) as [RunRecord];
    await cp(join(folder, 'original'), join(folder, 'copy'), { recursive: true });
    const refused = await runCli(['serve'], { cwd: join(folder, 'copy') });
    expect(refused.code).to.equal(1);
    expect(refused.stderr)
      .to.contain('its identity is in use by another gateway on this machine')
      .and.contain('--new-identity');
    expect((await runs(original))[0]).to.include({ id, state: 'running' });
    expect(leftoverProcesses(id)).to.have.length(1);
    const copy = await start('copy', '--new-identity');
    expect((await runs(copy))[0]).to.include({ id, state: 'ended', outcome: 'unknown' });
    expect((await runs(copy))[0]!.cleanup!.left[0]!.why).to.contain('data folder was copied');
    expect(leftoverProcesses(id)).to.have.length(1);
    expect((await runs(original))[0]).to.include({ id, state: 'running' });
    await runCli(['cancel', '--url', original, id], { cwd: folder });
    await call.result;
  });

  it('S4: a copy starts with the identity of the original after the original was stopped', async () => {
    await start('original');
    started[0]!.child.kill('SIGTERM');
    await started[0]!.result;
    await cp(join(folder, 'original'), join(folder, 'copy'), { recursive: true });
    await start('copy');
  });
});
