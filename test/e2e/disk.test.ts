// A real gateway whose disk fills up, and one whose data folder cannot be written: runs end with the truth, the gateway lives, and works again.

import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { RunRecord } from '../../protocol/record.ts';
import { startCli, type RunningCli } from '../helpers/cli.ts';
import { soon, until } from '../helpers/until.ts';
import { wsClient } from '../helpers/ws-client.ts';

const run = promisify(execFile);
const sizeMib = 6;

describe('a gateway whose disk', function () {
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
    await writeFile(file, `
http: { api: true, listen: "127.0.0.1:0" }
data: data
shutdown: { grace: 0s }
limits: { graceMs: 200ms }
calls:
  flood: { process: [sh, -c, 'trap "" PIPE; seq 1 100000000'] }
  tick: { process: [sh, -c, 'i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i; sleep 0.01; done'] }
  hello: { process: [echo, hello] }
`);
    // In a mount namespace of its own, so that nothing is left mounted whatever happens to the test.
    const under = ['unshare', '-m', 'sh', '-c', `mount -t tmpfs -o size=${sizeMib}m none "$0" && exec "$@"`, data];
    served = startCli(['serve', '--config', file], { env: { LOG_LEVEL: 'fatal' }, under });
    url = (await soon('the gateway listens', served.says(/listening on (http:\S+)/), 30_000))[1]!;
  });

  afterEach(async () => {
    served.child.kill('SIGTERM');
    await soon('the gateway ends', served.ended, 30_000);
    await rm(folder, { recursive: true, force: true });
  });

  const getJson = async (path: string): Promise<unknown> => (await fetch(`${url}${path}`, { headers: { connection: 'close' } })).json();

  /** Makes a call, and tells how it ended and how many lines came. */
  async function call(name: string, after?: () => Promise<void>): Promise<{ result: Readonly<Record<string, unknown>>; lines: number; id: string | undefined }> {
    const client = await wsClient(`${url.replace('http', 'ws')}/api/v1/ws`, ['distillery.v2']);
    client.control({ call: name });
    if (after !== undefined) {
      while (!('text' in (await client.next()))) continue;
      await after();
    }
    const { texts, json } = await client.rest();
    const announced = json.find((message) => 'run' in message)?.['run'] as { id: string } | undefined;
    return { result: json.at(-1)!, lines: texts.length, id: announced?.id };
  }

  const record = async (id: string): Promise<RunRecord> => (await getJson(`/api/v1/http/runs/${id}`)) as RunRecord;
  /** The data folder as the gateway sees it. */
  const seen = (...path: string[]): string => join(`/proc/${served.child.pid}/root`, data, ...path);
  const size = (file: string): Promise<number> => stat(file).then((found) => found.size, () => 0);
  const inNamespace = (...command: string[]): Promise<unknown> => run('nsenter', ['-m', '-t', String(served.child.pid), ...command]);
  const mount = (...options: string[]): Promise<unknown> => inNamespace('mount', ...options);

  it('is full ends its runs as failed and says why, lives, and works again when there is room', async () => {
    const { result, lines, id } = await call('flood');
    expect(result).to.include({ success: false, status: 'failed', message: 'the output could not be stored: no space left on the disk' });
    expect(result).to.have.nested.property('cleanup.clean', true);
    expect(lines).to.be.greaterThan(10_000);
    const page = (await getJson(`/api/v1/http/runs/${id}/lines?after=0&limit=3`)) as { lines: string[] };
    expect(page.lines).to.deep.equal(['1', '2', '3']);
    expect(await getJson('/healthz')).to.deep.equal({ healthy: true });
    const next = await call('flood');
    expect(next.result['status']).to.be.oneOf(['failed', 'rejected']);
    expect(next.result['message']).to.match(/no space left on the disk/);
    // The operator makes room.
    for (const log of await readdir(seen('runs'))) await truncate(seen('runs', log, 'lines'), 0).catch(() => {});
    const again = await call('hello');
    expect(again.result).to.include({ success: true, status: 'succeeded' });
    expect(again.lines).to.equal(1);
    expect(await record(again.id!)).to.include({ state: 'ended', outcome: 'succeeded' });
    expect(await record(id!)).to.include({ state: 'ended', outcome: 'failed', message: 'the output could not be stored: no space left on the disk' });
  });

  it('does not take new logs ends their runs as failed and says why, lets the others go on, and works again when it does', async () => {
    let id: string | undefined;
    const tick = await call('tick', async () => {
      // What a watcher has seen may still be on its way to the disk.
      await until('its log is stored', async () => (await Promise.all((await readdir(seen('runs'))).map((log) => size(seen('runs', log, 'lines'))))).some((bytes) => bytes > 0));
      await mount('-t', 'tmpfs', '-o', 'ro', 'none', join(data, 'runs'));
      const { result, id: failed } = await call('hello');
      id = failed;
      expect(result).to.include({ success: false, status: 'failed', message: 'the output could not be stored: the file system is read-only' });
      expect(result).to.have.nested.property('cleanup.clean', true);
      expect(await getJson('/healthz')).to.deep.equal({ healthy: true });
      expect(await record(id!)).to.include({ state: 'ended', outcome: 'failed' });
      await inNamespace('umount', join(data, 'runs'));
      expect((await call('hello')).result).to.include({ success: true, status: 'succeeded' });
    });
    expect(tick.result).to.include({ status: 'succeeded', next: 301 });
    expect(await record(id!)).to.include({ state: 'ended', outcome: 'failed', message: 'the output could not be stored: the file system is read-only' });
  });
});
