// Tests a gateway with a full disk, and one with a data folder that cannot be written. Runs end with the true outcome,
// and the gateway stays usable.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { RunRecord } from '../../protocol/run-record.ts';
import { type RunningCli, startCli } from '../helpers/cli/run-cli.ts';
import { waitUntil, withDeadline } from '../helpers/wait-until.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

const run = promisify(execFile);
const sizeMib = 6;

describe('a gateway with disk errors', function () {
  this.timeout(60_000);
  let folder: string;
  let data: string;
  let served: RunningCli;
  let url: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'disk-'));
    data = join(folder, 'data');
    await mkdir(data);
    const file = join(folder, 'distillery.yaml');
    await writeFile(
      file,
      `
http: { api: true, listen: "127.0.0.1:0" }
data: data
shutdown: { grace: 0s }
limits: { graceMs: 200ms }
calls:
  flood: { process: [sh, -c, 'trap "" PIPE; seq 1 100000000'] }
  tick: { process: [sh, -c, 'i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i; sleep 0.01; done'] }
  hello: { process: [echo, hello] }
  deaf: { process: [sleep, '60'] }
`,
    );
    // Use a separate mount namespace, so that nothing stays mounted after the test.
    const wrapper = ['unshare', '-m', 'sh', '-c', `mount -t tmpfs -o size=${sizeMib}m none "$0" && exec "$@"`, data];
    served = startCli(['serve', '--config', file], { env: { LOG_LEVEL: 'fatal' }, wrapper });
    url = (await withDeadline('the gateway listens', served.waitForMatch(/listening on (http:\S+)/), 30_000))[1]!;
  });

  afterEach(async () => {
    served.child.kill('SIGTERM');
    await withDeadline('the gateway ends', served.result, 30_000);
    await rm(folder, { recursive: true, force: true });
  });

  const getJson = async (path: string): Promise<unknown> =>
    (await fetch(`${url}${path}`, { headers: { connection: 'close' } })).json();

  /**
   * Makes a call, and runs `after` when the first line has arrived. Returns the result, the number of lines and the run
   * id.
   */
  async function call(
    name: string,
    after?: () => Promise<void>,
  ): Promise<{ result: Readonly<Record<string, unknown>>; lines: number; id: string | undefined }> {
    const client = await connectWsClient(`${url.replace('http', 'ws')}/api/v1/ws`, ['distillery.v2']);
    client.sendControl({ call: name });
    if (after !== undefined) {
      while (!('text' in (await client.next())));
      await after();
    }
    const { texts, json } = await client.readToEnd();
    const announced = json.find((message) => 'run' in message)?.['run'] as { id: string } | undefined;
    return { result: json.at(-1)!, lines: texts.length, id: announced?.id };
  }

  const record = async (id: string): Promise<RunRecord> => (await getJson(`/api/v1/http/runs/${id}`)) as RunRecord;
  /** The data folder as the gateway sees it. */
  const pathInNamespace = (...path: string[]): string => join(`/proc/${served.child.pid}/root`, data, ...path);
  const fileSize = (file: string): Promise<number> =>
    stat(file).then(
      (stats) => stats.size,
      () => 0,
    );
  const inNamespace = (...command: string[]): Promise<unknown> =>
    run('nsenter', ['-m', '-t', String(served.child.pid), ...command]);
  const mount = (...options: string[]): Promise<unknown> => inNamespace('mount', ...options);

  it('runs fail with the reason on a full disk, and the gateway works again when there is space', async () => {
    const { result, lines, id } = await call('flood');
    expect(result).to.include({
      success: false,
      status: 'failed',
      message: 'the output could not be stored: no space left on the disk',
    });
    expect(result).to.have.nested.property('cleanup.clean', true);
    expect(lines).to.be.greaterThan(10_000);
    const page = (await getJson(`/api/v1/http/runs/${id}/lines?after=0&limit=3`)) as { lines: string[] };
    expect(page.lines).to.deep.equal(['1', '2', '3']);
    expect(await getJson('/healthz')).to.deep.equal({ healthy: true });
    const next = await call('flood');
    expect(next.result['status']).to.be.oneOf(['failed', 'rejected']);
    expect(next.result['message']).to.match(/no space left on the disk/);
    // Free space, as an operator would.
    for (const log of await readdir(pathInNamespace('runs')))
      await truncate(pathInNamespace('runs', log, 'lines'), 0).catch(() => {});
    const later = await call('hello');
    expect(later.result).to.include({ success: true, status: 'succeeded' });
    expect(later.lines).to.equal(1);
    expect(await record(later.id!)).to.include({ state: 'ended', outcome: 'succeeded' });
    expect(await record(id!)).to.include({
      state: 'ended',
      outcome: 'failed',
      message: 'the output could not be stored: no space left on the disk',
    });
  });

  it('P7: a run whose input does not fit on the disk fails, and its input is removed', async () => {
    const client = await connectWsClient(`${url.replace('http', 'ws')}/api/v1/ws`, ['distillery.v2']);
    client.sendControl({ call: 'deaf' });
    for (let i = 0; i < 2 * sizeMib; i++) client.sendText('x'.repeat(1_000_000));
    const { json } = await client.readToEnd();
    expect(json.at(-1)).to.include({
      success: false,
      status: 'failed',
      message: 'the input could not be stored: no space left on the disk',
    });
    expect(json.at(-1)).to.have.nested.property('cleanup.clean', true);
    expect(await readdir(pathInNamespace('work'))).to.deep.equal([]);
    expect((await call('hello')).result).to.include({ success: true });
  });

  it('a run whose log cannot be created fails with the reason, while other runs continue', async () => {
    let id: string | undefined;
    const tick = await call('tick', async () => {
      // Wait, because lines that a watcher has received may not be stored yet.
      await waitUntil('the log of the run is stored', async () =>
        (
          await Promise.all(
            (await readdir(pathInNamespace('runs'))).map((log) => fileSize(pathInNamespace('runs', log, 'lines'))),
          )
        ).some((bytes) => bytes > 0),
      );
      await mount('-t', 'tmpfs', '-o', 'ro', 'none', join(data, 'runs'));
      const { result, id: failed } = await call('hello');
      id = failed;
      expect(result).to.include({
        success: false,
        status: 'failed',
        message: 'the output could not be stored: the file system is read-only',
      });
      expect(result).to.have.nested.property('cleanup.clean', true);
      expect(await getJson('/healthz')).to.deep.equal({ healthy: true });
      expect(await record(id!)).to.include({ state: 'ended', outcome: 'failed' });
      await inNamespace('umount', join(data, 'runs'));
      expect((await call('hello')).result).to.include({ success: true, status: 'succeeded' });
    });
    expect(tick.result).to.include({ status: 'succeeded', next: 301 });
    expect(await record(id!)).to.include({
      state: 'ended',
      outcome: 'failed',
      message: 'the output could not be stored: the file system is read-only',
    });
  });
});
