// Tests a gateway whose disk fills up: retention frees space, and runs get their outcome when there is space again.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunRecord } from '../../protocol/run-record.ts';
import { type RunningCli, runCli, startCli } from '../helpers/cli/run-cli.ts';
import { mountSmallDisk, type SmallDisk } from '../helpers/gateway/small-disk.ts';
import { waitUntil, withDeadline } from '../helpers/wait-until.ts';

const mib = 2 ** 20;

describe('a gateway whose disk fills up', function () {
  this.timeout(120_000);
  let folder: string;
  let disk: SmallDisk;
  let served: RunningCli;
  let url: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'space-'));
    await mkdir(join(folder, 'data'));
    disk = await mountSmallDisk(join(folder, 'data'), 24);
    await configure('{}');
    await start();
  });

  afterEach(async () => {
    await stop('SIGTERM');
    await disk.remove();
    await rm(folder, { recursive: true, force: true });
  });

  async function configure(retention: string, limits = ''): Promise<void> {
    await writeFile(
      join(folder, 'distillery.yaml'),
      `
http: { api: true, listen: "127.0.0.1:0" }
data: data
shutdown: { grace: 0s }
retention: ${retention}
limits: { graceMs: 200ms, retentionIntervalMs: 100ms, ${limits} }
calls:
  flood: { process: [sh, -c, 'seq 1 100000000'] }
  megabyte: { process: [sh, -c, 'head -c 1048576 /dev/zero | tr "\\0" "\\n"'] }
  wait: { process: [sh, -c, 'echo begin; read answer; echo end'], onDisconnect: { default: detach } }
  quiet: { process: ['true'] }
`,
    );
  }

  async function start(): Promise<void> {
    served = startCli(['serve', '--config', join(folder, 'distillery.yaml')], {
      env: { LOG_LEVEL: 'fatal' },
      wrapper: disk.wrapper,
    });
    url = (await withDeadline('the gateway listens', served.waitForMatch(/listening on (http:\S+)/), 30_000))[1]!;
  }

  async function stop(signal: NodeJS.Signals): Promise<void> {
    served.child.kill(signal);
    await withDeadline('the gateway ends', served.result, 30_000);
  }

  const request = (path: string): Promise<Response> => fetch(`${url}${path}`, { headers: { connection: 'close' } });
  const getJson = async <T>(path: string): Promise<T> => (await (await request(path)).json()) as T;
  const runs = async (): Promise<readonly RunRecord[]> =>
    (await getJson<{ runs: readonly RunRecord[] }>('/api/v1/http/runs')).runs;
  const call = (...args: readonly string[]) => runCli(['call', '--quiet', '--url', url, ...args], { cwd: folder });
  const isReady = async (): Promise<boolean> => (await request('/readyz')).status === 200;

  it('S1: retention frees space on a full disk when its limit is lowered', async () => {
    for (let count = 0; count < 3; count++) await call('megabyte');
    await call('flood');
    await disk.fill();
    expect((await call('quiet')).code).not.to.equal(0);
    await configure('{ bytes: 1m }');
    served.child.kill('SIGHUP');
    await waitUntil('there is space', async () => (await disk.freeBytes()) > 4 * mib, 30_000);
    expect((await call('quiet')).code).to.equal(0);
    await waitUntil('the records of removed runs are removed', async () =>
      (await runs()).every((run) => run.bytes < 2 * mib),
    );
  });

  it('S1: retention frees space on a full disk after a restart', async () => {
    await call('megabyte');
    await call('flood');
    await disk.fill();
    await stop('SIGKILL');
    await configure('{ bytes: 1m }');
    await start();
    await waitUntil('there is space', async () => (await disk.freeBytes()) > 4 * mib, 30_000);
    expect((await call('quiet')).code).to.equal(0);
  });

  it('S1: new runs are rejected while less than diskFreeMin is free, and status and readiness say so', async () => {
    await configure('{}', 'diskFreeMin: 10m');
    served.child.kill('SIGHUP');
    type Status = { storage: { ok: boolean; reason?: string; freeBytes: number; minFreeBytes: number } };
    const storage = async () => (await getJson<Status>('/api/v1/http/status')).storage;
    await waitUntil('the limit applies', async () => (await storage()).minFreeBytes === 10 * mib);
    expect(await storage()).to.include({ ok: true });
    expect((await call('quiet')).code).to.equal(0);
    await disk.fill(5 * mib);
    await waitUntil('the gateway is not ready', async () => !(await isReady()));
    expect((await storage()).reason).to.match(/no space left on the disk \(5\d\d\d KiB free, diskFreeMin is 10 MiB\)/);
    const { code, stderr } = await runCli(['call', '--url', url, 'quiet'], { cwd: folder });
    expect(stderr).to.contain('the run cannot be stored: no space left on the disk');
    expect(code).not.to.equal(0);
    await disk.empty();
    await waitUntil('the gateway is ready', isReady);
    expect((await call('quiet')).code).to.equal(0);
  });

  it('C7: the outcome of a run is stored once the disk has space for it, even after a gateway restart', async () => {
    const waiting = startCli(['call', '--url', url, 'wait'], { cwd: folder });
    await waiting.waitForMatch(/begin/);
    const [{ id }] = (await runs()) as [RunRecord];
    // Fill the disk before removing the reserve: a sweep replaces a missing reserve while there is space for it.
    await disk.fill();
    await rm(disk.path('reserve'), { force: true });
    await disk.fill();
    await runCli(['cancel', '--no-wait', '--url', url, id], { cwd: folder });
    await waitUntil('the run has ended', async () => (await runs())[0]!.state === 'ended');
    await stop('SIGKILL');
    await waiting.result;
    await disk.fill();
    await start();
    // The gateway knows that the run has ended, although it cannot store that on the full disk.
    expect((await runs())[0]).to.include({ id, state: 'ended' });
    expect(await isReady()).to.equal(false);
    const { stderr } = await runCli(['attach', '--url', url, id], { cwd: folder });
    expect(stderr).not.to.contain('unspecified');
    await disk.empty();
    await waitUntil('the gateway is ready', isReady);
    expect((await call('quiet')).code).to.equal(0);
    await stop('SIGTERM');
    await start();
    expect((await runs()).map(({ outcome }) => outcome)).to.have.members(['unknown', 'succeeded']);
  });
});
