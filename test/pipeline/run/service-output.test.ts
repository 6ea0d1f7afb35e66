// Tests the output of services: it is in the log of the run under their names, and clients see it on request only.

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { runCli } from '../../helpers/cli/run-cli.ts';
import { sharedEngineHost } from '../../helpers/docker/shared-engine.ts';
import { expectIdle, waitForNewestRun } from '../../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../../helpers/gateway/test-gateway.ts';
import { messagesIn } from '../../helpers/http/sse-reader.ts';
import { openTestPipelineEngine, type TestPipelineEngine } from '../../helpers/pipeline/test-pipeline-engine.ts';
import { waitUntil } from '../../helpers/wait-until.ts';
import { connectWsClient } from '../../helpers/websocket/ws-client.ts';

const service = (script: string): string =>
  `{ image: busybox, command: [sh, -c, ${JSON.stringify(`${script}; touch /ready; exec sleep 60`)}], ` +
  'health: { command: test -e /ready, interval: 50ms } }';

const healthy = `
workflow: [a]
a:
  image: busybox
  services: { db: ${service('echo db 1; echo db 2 >&2')} }
  script: echo job
`;

const failing = `
workflow: [a]
a:
  image: busybox
  services: { db: { image: busybox, command: [sh, -c, "echo one; echo no disk; exit 3"] } }
  script: sleep 60
`;

interface Page {
  readonly lines: readonly string[];
  readonly sources?: readonly { readonly from: number; readonly job?: string; readonly service?: string }[];
  readonly omitted?: readonly { readonly from: number; readonly to: number }[];
  readonly next: number;
}

describe('the output of services for clients', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(
      `docker: { host: "${await sharedEngineHost()}" }\ncalls: { go: { pipeline: { file: p.yaml } } }\n`,
      { 'p.yaml': healthy, 'failing.yaml': failing },
    );
  });
  after(() => gateway.stop());
  afterEach(() => expectIdle(gateway));

  async function receive(subprotocols: readonly string[]): Promise<readonly string[]> {
    const client = await connectWsClient(gateway.wsUrl, subprotocols);
    client.sendControl({ call: 'go', params: [] });
    return (await client.readToEnd()).texts;
  }

  let run: string | undefined;

  /** Returns the id of an ended run of `p.yaml`, the same one at each call. */
  async function runId(): Promise<string> {
    if (run === undefined) {
      await receive([]);
      run = (await waitForNewestRun(gateway)).id;
    }
    return run;
  }

  it('clients of distillery.v2 receive the lines of a healthy service under its name', async () => {
    const client = await connectWsClient(gateway.wsUrl, ['distillery.v2']);
    client.sendControl({ call: 'go', params: [] });
    const lines: string[] = [];
    let source = '';
    for (;;) {
      const message = await client.next();
      if ('closed' in message) break;
      if ('text' in message) lines.push(`${source}: ${message.text}`);
      else {
        const event = message.json['event'] as Readonly<Record<string, unknown>> | undefined;
        if (event?.['type'] === 'stream') source = [event['job'], event['service'], event['stream']].join('/');
      }
    }
    expect(lines).to.have.members(['a/db/stdout: db 1', 'a/db/stderr: db 2', 'a//stdout: job']);
  });

  it('clients of v1 and pow-1 receive no lines of services', async () => {
    expect(await receive([])).to.deep.equal(['job']);
    expect((await receive(['pow-1'])).join('')).to.equal('job\n');
  });

  it('the REST API of pow-1 leaves out lines of services', async () => {
    const body = JSON.stringify({ call: 'go' });
    const id = (await (await fetch(`${gateway.url}/api/v1/pow/new`, { method: 'POST', body })).json()) as string;
    const status = async () =>
      (await (await fetch(`${gateway.url}/api/v1/pow/status/${id}`)).json()) as {
        readonly buffer?: string;
        readonly result: { readonly status: string };
      };
    await waitUntil('the run ends', async () => (await status()).result.status === 'fulfilled');
    expect((await status()).buffer).to.equal('job');
  });

  it('the lines of a run leave out those of services, unless the query asks for them', async () => {
    const path = `/api/v1/http/runs/${await runId()}/lines`;
    const all = (await gateway.getJson(`${path}?services=true`)) as Page;
    expect(all.lines).to.have.members(['db 1', 'db 2', 'job']);
    expect(all).not.to.have.property('omitted');
    expect(all.sources!.filter((source) => source.service === 'db' && source.job === 'a')).to.have.length(2);
    const shown = (await gateway.getJson(path)) as Page;
    expect(shown.lines).to.deep.equal(['job']);
    expect(shown.next).to.equal(3);
    const at = all.lines.indexOf('job') + 1;
    expect(shown.sources).to.deep.equal([{ from: at, stream: 'stdout', job: 'a' }]);
    const omitted = shown.omitted!.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
    expect(omitted).to.deep.equal([1, 2, 3].filter((line) => line !== at));
    expect((await fetch(`${gateway.url}${path}?services=maybe`)).status).to.equal(400);
    const text = await fetch(`${gateway.url}${path}`, { headers: { Accept: 'text/plain' } });
    expect(await text.text()).to.equal('job\n');
  });

  it('an event stream has the lines of services, after an event that names the service', async () => {
    const id = await runId();
    expect(await gateway.getJson(`/api/v1/http/runs/${id}`)).to.include({ lines: 3 });
    const answer = await fetch(`${gateway.url}/api/v1/http/runs/${id}/events`);
    const lines: string[] = [];
    let source = '';
    for (const { event, data } of messagesIn(await answer.text())) {
      const value = JSON.parse(data) as string | Readonly<Record<string, unknown>>;
      if (typeof value === 'string') lines.push(`${source}: ${value}`);
      else if (event === 'event' && value['type'] === 'stream')
        source = [value['job'], value['service'], value['stream']].join('/');
    }
    expect(lines).to.have.members(['a/db/stdout: db 1', 'a/db/stderr: db 2', 'a//stdout: job']);
  });

  it('"logs" prints lines of services only with --services', async () => {
    const id = await runId();
    const logs = async (...args: readonly string[]): Promise<readonly string[]> => {
      const { code, stdout, stderr } = await runCli(['logs', '--url', gateway.url, ...args, id]);
      expect(code, stderr).to.equal(0);
      return stdout.split('\n').slice(0, -1);
    };
    expect(await logs()).to.deep.equal(['job']);
    expect(await logs('--follow')).to.deep.equal(['job']);
    expect(await logs('--job', 'a')).to.deep.equal(['job']);
    expect(await logs('--job', 'a', '--services')).to.have.members(['db 1', 'db 2', 'job']);
    expect(await logs('--services', '--prefix', '--follow')).to.have.members(['[a/db] db 1', '[a/db] db 2', '[a] job']);
  });

  it('the lines of a failed service are printed once', async () => {
    const failed = await runCli(['run', '--plain', '--url', gateway.url, 'failing.yaml'], { cwd: gateway.folder });
    expect(failed.stdout.split('\n').slice(0, -1)).to.deep.equal(['[a] one', '[a] no disk']);
    const { id } = await waitForNewestRun(gateway);
    const logs = async (...args: readonly string[]): Promise<readonly string[]> =>
      (await runCli(['logs', '--url', gateway.url, ...args, id])).stdout.split('\n').slice(0, -1);
    for (const follow of [[], ['--follow']]) {
      expect(await logs(...follow)).to.deep.equal(['one', 'no disk']);
      expect(await logs(...follow, '--services')).to.deep.equal(['one', 'no disk']);
      expect(await logs(...follow, '--services', '--prefix')).to.deep.equal(['[a/db] one', '[a/db] no disk']);
      // The job repeats lines of its failed service. Each repeat is printed if the tail lacks the original line.
      expect(await logs(...follow, '--services', '--tail', '2')).to.deep.equal(['one', 'no disk']);
      expect(await logs(...follow, '--services', '--prefix', '--tail', '3')).to.deep.equal([
        '[a/db] no disk',
        '[a] one',
      ]);
    }
    const all = (await gateway.getJson(`/api/v1/http/runs/${id}/lines?services=true`)) as Page;
    expect(all.sources).to.deep.equal([
      { from: 1, stream: 'stdout', job: 'a', service: 'db' },
      { from: 3, stream: 'stderr', job: 'a', repeats: 'db' },
    ]);
  });

  it('"logs" asks a gateway for lines of services only with --services', async () => {
    const id = await runId();
    const asked: string[] = [];
    const earlier = createServer(async (request, response) => {
      const { pathname, searchParams } = new URL(request.url!, gateway.url);
      asked.push(`${pathname.split('/').at(-1)} ${[...searchParams.keys()].sort().join(' ')}`.trim());
      const isKnown = !searchParams.has('services');
      const answer = await fetch(`${gateway.url}${isKnown ? request.url : '/'}`);
      response.writeHead(isKnown ? answer.status : 400, { 'content-type': 'application/json' });
      response.end(isKnown ? await answer.text() : '{"error":{"code":"bad_request","message":"unknown parameter"}}');
    });
    await once(earlier.listen(0, '127.0.0.1'), 'listening');
    try {
      const url = `http://127.0.0.1:${(earlier.address() as AddressInfo).port}`;
      for (const args of [[], ['--prefix'], ['--job', 'a'], ['--tail', '3']]) {
        const { code, stdout, stderr } = await runCli(['logs', '--url', url, ...args, id]);
        expect(code, stderr).to.equal(0);
        expect(stdout).to.equal(args[0] === '--prefix' ? '[a] job\n' : 'job\n');
      }
      expect(asked.filter((text) => text.startsWith('lines'))).to.deep.equal(Array(4).fill('lines after'));
      expect((await runCli(['logs', '--url', url, '--services', id])).code).to.equal(125);
    } finally {
      earlier.close();
    }
  });

  it('"logs --prefix" names the right job of each line when it omits lines of services', async () => {
    const lines = Array.from({ length: 40 }, (_, at) => `echo ${at}; sleep 0.01`).join('; ');
    const pipeline = ['a', 'b', 'c'].map(
      (job) => `${job}: { image: busybox, parallel: true, services: { db: ${service(lines)} }, script: "${lines}" }\n`,
    );
    await writeFile(join(gateway.folder, 'mixed.yaml'), `workflow: [a, b, c]\n${pipeline.join('')}`);
    await runCli(['run', '--quiet', '--url', gateway.url, 'mixed.yaml'], { cwd: gateway.folder });
    const { id } = await waitForNewestRun(gateway);
    const logs = async (...args: readonly string[]): Promise<readonly string[]> =>
      (await runCli(['logs', '--url', gateway.url, '--prefix', ...args, id])).stdout.split('\n').slice(0, -1);
    const all = await logs('--services');
    expect(all).to.have.length(240);
    expect(await logs()).to.deep.equal(all.filter((line) => !line.includes('/')));
    expect(await logs('--tail', '100')).to.deep.equal(all.slice(-100).filter((line) => !line.includes('/')));
  });

  for (const args of [
    ['call', 'go'],
    ['run', 'p.yaml'],
    ['run', '--plain', 'p.yaml'],
  ])
    it(`"${args.join(' ')}" prints no lines of services`, async () => {
      const [command, ...rest] = args;
      const { code, stdout, stderr } = await runCli([command!, '--url', gateway.url, ...rest], { cwd: gateway.folder });
      expect(code, stderr).to.equal(0);
      expect(stdout.trim()).to.match(/^(\[a\] )?job$/);
    });

  it('"run --json" prints no lines of services, but their events', async () => {
    const { stdout } = await runCli(['run', '--json', '--url', gateway.url, 'p.yaml'], { cwd: gateway.folder });
    const values = stdout
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as { readonly line?: string; readonly event?: { readonly service?: string } });
    expect(values.flatMap(({ line }) => line ?? [])).to.deep.equal(['job']);
    expect(values.some(({ event }) => event?.service === 'db')).to.equal(true);
  });
});

describe('the output of services in a run', function () {
  this.timeout(60_000);
  let engine: TestPipelineEngine;
  before(async () => {
    engine = await openTestPipelineEngine();
  });
  after(() => engine.close());
  afterEach(async () => {
    expect(await engine.leftovers()).to.deep.equal([]);
  });

  it('secrets of the run are masked in the output of services', async () => {
    const { run, stdout } = await engine.run(
      `
      a:
        image: busybox
        secrets: [S]
        services: { db: ${service('echo it is hidden-value')} }
        script: echo job`,
      { allow: { secrets: ['S'] }, secrets: { S: 'hidden-value' } },
    );
    expect(run.output.parts.get('a')!.parts.get('db')!.stdout()).to.equal('it is ***\n');
    expect(stdout('a')).to.equal('job\n');
  });

  it('serviceOutputBytesMax limits the stored output of a service, and a warning reports it', async () => {
    const { run, stderr, events } = await engine.run(
      `
      a:
        image: busybox
        services: { db: { image: busybox, command: [sh, -c, "echo 12345; echo no disk; exit 3"] } }
        script: sleep 60`,
      { limits: { serviceOutputBytesMax: 6 } },
    );
    expect(run.output.parts.get('a')!.parts.get('db')!.stdout()).to.equal('12345\n');
    expect(stderr('a')).to.equal('12345\nno disk\n');
    expect(events('pipeline-warning').map(({ message }) => message)).to.deep.equal([
      'job \'a\': the output of the service "db" exceeds 6 (limit serviceOutputBytesMax); the rest is not stored',
    ]);
  });
});
