// Tests the pin API of a gateway in its own process, which is killed, restarted and interrupted, or has a path prefix.

import { createHmac } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { PinRecord } from '../../server/compat/pin/runs/record.ts';
import { type RunningCli, runCli, startCli } from '../helpers/cli/run-cli.ts';
import { busybox } from '../helpers/compat/pin-gateway.ts';
import { createPinReader, type PinReader } from '../helpers/compat/scripted-pin-server.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { openStream } from '../helpers/http/sse-reader.ts';
import { leftoverContainers } from '../helpers/leftovers.ts';
import { waitUntil, withDeadline } from '../helpers/wait-until.ts';

const waits = `workflow: [first, second]
first: { image: '${busybox}', script: 'echo done' }
second: { image: '${busybox}', script: 'echo begun; sleep 60' }
`;

interface GatewayProcess {
  readonly cli: RunningCli;
  readonly pin: string;
  readonly url: string;
}

describe('a gateway with the pin API', function () {
  this.timeout(180_000);
  let folder: string;
  let served: GatewayProcess | undefined;
  const open: PinReader[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pin-'));
  });
  afterEach(async () => {
    for (const reader of open.splice(0)) reader.cut();
    if (served !== undefined) await end('SIGTERM');
    await rm(folder, { recursive: true, force: true });
  });

  async function serve(pinOptions = '{ listen: "127.0.0.1:0" }', more = ''): Promise<GatewayProcess> {
    const yaml = `http: { api: true, listen: "127.0.0.1:0" }
shutdown: { grace: 0s }
data: data
docker: { host: "${await sharedEngineHost()}" }
compat: { pin: ${pinOptions} }
${more}`;
    await writeFile(join(folder, 'distillery.yaml'), yaml);
    const running = startCli(['serve'], { cwd: folder, env: { LOG_LEVEL: 'info', HOOK: 'shared' } });
    const [, url = ''] = await withDeadline(
      'the gateway listens',
      running.waitForMatch(/^listening on (http:\/\/\S+)\n/m),
      60_000,
    );
    const pin = pinOptions.includes('listen')
      ? (await running.waitForMatch(/"url":"([^"]+)","msg":"the pin API is listening"/))[1]!
      : `${url}/pin`;
    served = { cli: running, url, pin };
    return served;
  }

  async function end(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<number | null> {
    const { cli: running } = served!;
    served = undefined;
    running.child.kill(signal);
    return (await running.result).code;
  }

  const request = async (
    path: string,
    init?: RequestInit,
  ): Promise<{ readonly status: number; readonly json: Record<string, unknown> }> => {
    const answer = await fetch(`${served!.pin}${path}`, {
      ...init,
      headers: { connection: 'close', ...init?.headers },
    });
    return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
  };
  const trigger = async (text: string): Promise<string> =>
    (await request('/trigger', { method: 'POST', body: text })).json['run_id'] as string;
  const record = async (id: string): Promise<PinRecord> => (await request(`/runs/${id}`)).json as unknown as PinRecord;
  async function listen(path = '/events', headers: Readonly<Record<string, string>> = {}): Promise<PinReader> {
    const { port, pathname } = new URL(`${served!.pin}${path}`);
    const reader = createPinReader(
      await openStream(Number(port), pathname + new URL(`${served!.pin}${path}`).search, { headers }),
    );
    open.push(reader);
    return reader;
  }

  it('pin defect 20: a restarted gateway reports interrupted runs, and readers miss no event', async () => {
    await serve();
    const before = await listen();
    const [running, waiting] = [await trigger(waits), await trigger(waits)];
    await waitUntil('the second job has begun', () => before.events.some(({ message }) => message === 'begun'), 60_000);
    await end('SIGKILL');
    await before.end();
    const { id } = before.messages.at(-1)!;
    await serve();
    for (const run of [running, waiting])
      expect(await record(run)).to.include({ status: 'failed', error: 'daemon restarted' });
    expect((await record(running)).jobs.map(({ name, status }) => [name, status])).to.deep.equal([
      ['first', 'success'],
      ['second', 'failed'],
    ]);
    const after = await listen('/events', { 'Last-Event-ID': id });
    await after.event('daemon_start');
    expect(
      after.events
        .slice(1)
        .filter(({ type }) => type !== 'log')
        .map(({ type, run_id, error }) => [type, run_id, error]),
    ).to.deep.equal([
      ['pipeline_error', running, 'daemon restarted'],
      ['pipeline_error', waiting, 'daemon restarted'],
      ['daemon_start', undefined, undefined],
    ]);
    expect(await leftoverContainers(running)).to.deep.equal([]);
  });

  it('pin defect 16: a gateway interrupted during a job leaves no container and informs its readers', async () => {
    await serve();
    const reader = await listen();
    const id = await trigger(waits);
    await waitUntil('the second job has begun', () => reader.events.some(({ message }) => message === 'begun'), 60_000);
    expect(await withDeadline('the gateway ends', end('SIGINT'), 15_000)).to.equal(0);
    await reader.end();
    expect(
      reader.events.filter(({ type }) => !/^(log|job_|connection)/.test(type)).map(({ type }) => type),
    ).to.deep.equal(['daemon_start', 'pipeline_trigger', 'pipeline_started', 'pipeline_cancelled', 'daemon_stop']);
    expect(await leftoverContainers(id)).to.deep.equal([]);
  });

  it('pin defect 11: a gateway with ten readers stops within two seconds', async () => {
    await serve();
    const readers = await Promise.all(Array.from({ length: 10 }, () => listen()));
    for (const reader of readers) await reader.event('daemon_start');
    expect(await withDeadline('the gateway ends', end('SIGTERM'), 2_000)).to.equal(0);
    for (const reader of readers) {
      await reader.end();
      expect(reader.events.at(-1)!.type).to.equal('daemon_stop');
    }
  });

  it('pin defect 23: a push starts a pipeline whose conditions see the branch', async () => {
    await writeFile(
      join(folder, 'ci.yaml'),
      [
        'workflow: [main, other]',
        `main: { image: '${busybox}', condition: '$BRANCH == "main"', script: 'echo "$BRANCH $COMMIT_SHA"' }`,
        `other: { image: '${busybox}', condition: '$BRANCH == "other"', script: 'echo never' }`,
        '',
      ].join('\n'),
    );
    await serve('{ listen: "127.0.0.1:0", github: { secret: { variable: HOOK }, pipeline: ci.yaml } }');
    const body = JSON.stringify({ ref: 'refs/heads/main', after: 'c0ffee' });
    const headers = {
      'X-GitHub-Event': 'push',
      'X-Hub-Signature-256': `sha256=${createHmac('sha256', 'shared').update(body).digest('hex')}`,
    };
    const { json } = await request('/webhooks/github', { method: 'POST', body, headers });
    const reader = await listen(`/runs/${String(json['run_id'])}/events`);
    await withDeadline('the run has ended', reader.end(), 60_000);
    expect(reader.events.filter(({ stream }) => stream !== undefined).map(({ message }) => message)).to.deep.equal([
      'main c0ffee',
    ]);
    expect(await reader.event('job_skipped')).to.include({ job: 'other', reason: 'condition' });
    expect(reader.events.at(-1)!.type).to.equal('pipeline_complete');
  });

  it("a gateway serves the pin API under a prefix, with the operator's workspace", async () => {
    await mkdir(join(folder, 'work'));
    await writeFile(join(folder, 'work', 'greeting.txt'), 'from here');
    await serve('{ prefix: /pin, workspace: work }');
    const { status, json } = await request('/');
    expect([status, json['service']]).to.deep.equal([200, 'pin-daemon']);
    expect((await fetch(`${served!.url}/pinned`)).status).to.equal(404);
    const reader = await listen('/unnamed/events?events=named');
    expect(await reader.event('daemon_start')).to.include({ sse_endpoint: '/pin/events' });
    const id = await trigger(`workflow: [a]\na: { image: '${busybox}', copyFiles: true, script: cat greeting.txt }\n`);
    await waitUntil(
      'the run has ended',
      () => reader.events.some(({ type }) => /^pipeline_(complete|error)$/.test(type)),
      60_000,
    );
    expect(await record(id)).to.include({ status: 'success' });
    expect(reader.events.some(({ stream, message }) => stream === 'stdout' && message === 'from here')).to.equal(true);
  });

  it('a gateway rejects host jobs by default, and runs them if they are allowed', async () => {
    const text = 'workflow: [a]\na: { host: true, env: A=1, script: echo "host $A" }\n';
    await serve();
    const { status, json } = await request('/trigger', { method: 'POST', body: text });
    expect([status, json['error'], json['message']]).to.deep.equal([
      400,
      'validation_failed',
      'Pipeline validation failed: host jobs are disabled',
    ]);
    await end('SIGTERM');
    await serve('{ listen: "127.0.0.1:0", allowHostJobs: true }');
    const waited = await request('/trigger?wait=true', { method: 'POST', body: text });
    expect(waited.status, JSON.stringify(waited.json)).to.equal(200);
  });

  it('a gateway does not list the call of the pin API to other callers', async () => {
    await serve();
    const calls = (await (await fetch(`${served!.url}/api/v1/http/calls`)).json()) as { name: string }[];
    expect(calls.map(({ name }) => name)).not.to.include('pin');
    expect((await fetch(`${served!.url}/api/v1/http/calls/pin`)).status).to.equal(404);
  });

  it('a gateway does not start if the pin API would be open to unauthenticated clients', async () => {
    await writeFile(
      join(folder, 'distillery.yaml'),
      'http: { listen: "127.0.0.1:0" }\ncompat: { pin: { listen: "0.0.0.0:0" } }\n',
    );
    const { code, stderr } = await runCli(['serve'], { cwd: folder });
    expect(code).not.to.equal(0);
    expect(stderr).to.contain('allowUnauthenticated: true');
  });

  it('a gateway logs a warning if the pin API is open to unauthenticated clients on purpose', async () => {
    await serve('{ listen: "0.0.0.0:0", allowUnauthenticated: true, allowHostJobs: true }');
    await served!.cli.waitForMatch(/THE PIN API IS OPEN TO EVERYONE/);
    const local = served!.pin.replace('0.0.0.0', '127.0.0.1');
    const answer = await fetch(`${local}/trigger`, {
      method: 'POST',
      body: 'workflow: [a]\na: { host: true, script: id }\n',
    });
    expect([answer.status, await answer.text()]).to.satisfy(
      ([status, text]: [number, string]) => status === 400 && text.includes('host jobs are disabled'),
    );
  });
});
