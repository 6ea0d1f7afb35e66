// Shows that the gateway has none of thirty numbered defects of an earlier server of this API.

import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import { endpoint, type Item, openCall } from '../../protocol/client/client.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import type { PowDeps } from '../../server/compat/pow/deps.ts';
import { createPowFeature } from '../../server/compat/pow/feature.ts';
import type { RequestGuard } from '../../server/http/kit/request-guard.ts';
import { createRequestHandler } from '../../server/http/kit/request-handler.ts';
import { checkUpgrade } from '../../server/session/upgrade-check.ts';
import { secret } from '../fixtures/misbehaving-calls.ts';
import { expectIdle, getNewestRuns } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { processCall, withTestRuns } from '../helpers/runs/test-runs.ts';
import { waitUntil, withDeadline } from '../helpers/wait-until.ts';
import { connectRawClient } from '../helpers/websocket/raw-client.ts';
import { connectWsClient, type WsClient } from '../helpers/websocket/ws-client.ts';

const module = fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url));
const yaml = `
modules: [${JSON.stringify(module)}]
limits: { firstCallMs: 2s, graceMs: 500ms, closeMs: 1s }
systems:
  - { slug: herbarium, url: "https://herbarium.example.org/", tagline: Pressed plants }
calls:
  sleep: { process: [sh, -c, 'echo ready; exec sleep 60'] }
  cat: { process: [cat] }
  bytes: { process: [wc, -c], params: [{ name: json, default: "" }] }
  provision: { params: [{ name: json }], process: [sh, -c, 'printf %s "$1" | wc -c', provision, '\${json}'] }
  dribble: { process: [sh, -c, "for b in '\\\\360' '\\\\237' '\\\\230' '\\\\200'; do printf $b; sleep 0.02; done"] }
  print: { params: [{ name: text, default: x }], process: [printf, '%s', '\${text}'] }
  stubborn: { process: [sh, -c, "trap '' TERM; echo ready; while :; do sleep 0.05; done"] }
  large: { process: [sh, -c, 'head -c 8388608 /dev/zero | tr "\\\\0" x'] }
  cron: { process: [sh, -c, 'exit 1'] }
  rebuild:
    params: [{ name: slug }]
    process: [sh, -c, 'echo ready; exec sleep 60']
    concurrency: { limit: 1, by: slug, queue: 0 }
  whole: { process: [printf, 'a\\n\\nb\\n\\n\\nc\\n'] }
  pieces:
    process: [sh, -c, "for p in 'a\\\\n' '\\\\n' 'b' '\\\\n\\\\n' '\\\\n' 'c' '\\\\n'; do printf $p; sleep 0.01; done"]
  never: { process: ['true'], scope: never }
`;

const cancelled = 'process returned error: cancelled: client requested cancellation';
const lines = Array.from({ length: 100 }, (_, i) => `line ${i}`);

describe('defects of an earlier server of this API', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  afterEach(() => expectIdle(gateway));
  after(() => gateway.stop());

  const connectPow = (path = '/api/v1/pow/'): Promise<WsClient> =>
    connectWsClient(gateway.wsUrl.replace('/api/v1/ws', path), ['pow-1']);
  const post = (path: string, body?: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
    fetch(`${gateway.url}/api/v1/pow/${path}`, {
      method: 'POST',
      headers: { connection: 'close', ...headers },
      ...(body !== undefined && { body }),
    });
  const startCall = async (name: string, params: readonly string[] = []): Promise<string> =>
    (await post('new', JSON.stringify({ call: name, params }))).json() as Promise<string>;
  const getStatus = async (id: string) =>
    (await fetch(`${gateway.url}/api/v1/pow/status/${id}`, { headers: { connection: 'close' } })).json() as Promise<{
      buffer?: string;
      result: { status: string; reason?: string };
    }>;
  const waitUntilEnded = async (id: string) => {
    await waitUntil('the run has a result', async () => (await getStatus(id)).result.status !== 'pending');
    return getStatus(id);
  };
  const call = async (name: string, ...params: readonly string[]): Promise<WsClient> => {
    const client = await connectPow();
    client.sendControl({ call: name, params });
    return client;
  };

  it('defect 1: cancel, disconnect and REST cancel reach the running call', async () => {
    const one = await call('sleep');
    expect(await one.nextLine()).to.equal('ready\n');
    one.sendControl({ signal: 'cancel' });
    expect(await one.readToEnd()).to.deep.include({ json: [{ status: 'rejected', reason: cancelled }], code: 1000 });
    const two = await call('sleep');
    await two.nextLine();
    two.ws.terminate();
    const id = await startCall('sleep');
    await waitUntil('the process is ready', async () => (await getStatus(id)).buffer === 'ready');
    expect(await (await post(`cancel/${id}`)).text()).to.equal('process cancelled');
    expect((await waitUntilEnded(id)).result).to.deep.equal({ status: 'rejected', reason: cancelled });
    await expectIdle(gateway);
  });

  it('defect 2: a thousand unread texts do not delay a cancel', async () => {
    const client = await call('sleep');
    for (let i = 0; i < 1_000; i++) client.sendText('unread\n');
    expect(await client.nextLine()).to.equal('ready\n');
    client.sendControl({ signal: 'cancel' });
    expect((await client.readToEnd()).json).to.deep.equal([{ status: 'rejected', reason: cancelled }]);
  });

  it('defect 3: 200 short calls whose clients end the input at once all close cleanly', async () => {
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          const client = await call('cat');
          client.sendControl({ signal: 'close' });
          const { json, code } = await client.readToEnd();
          expect([json, code]).to.deep.equal([[{ status: 'fulfilled', value: null }], 1000]);
        }),
      );
    }
  });

  it('defect 4: messages that are too large and texts after unknown calls leak nothing', async () => {
    const large = Buffer.alloc(2 << 20, 'x');
    const once = async (): Promise<void> => {
      const [oversize, unknown] = await Promise.all([connectPow(), connectPow()]);
      oversize.ws.send(large);
      unknown.sendControl({ call: 'none' });
      for (let i = 0; i < 7; i++) unknown.sendText('text');
      expect((await oversize.readToEnd()).json).to.deep.equal([
        { status: 'rejected', reason: 'protocol error occurred: message too large' },
      ]);
      expect((await unknown.readToEnd()).json).to.deep.equal([
        { status: 'rejected', reason: 'failed to get process: unknown process' },
      ]);
    };
    for (let i = 0; i < 10; i++) await once();
    await expectIdle(gateway);
    const before = { files: openFiles(), heap: heapUsed() };
    for (let i = 0; i < 100; i++) await once();
    await expectIdle(gateway);
    await waitUntil('no more files are open', () => openFiles() <= before.files);
    expect(heapUsed() - before.heap).to.be.lessThan(4 << 20);
  });

  it('defect 5: an upgrade without the subprotocol gets one 403 response, then the connection ends', async () => {
    const client = await connectRawClient(gateway.wsUrl, { path: '/api/v1/pow/' });
    expect(client.status).to.equal(403);
    expect(await withDeadline('the end of the connection', client.body)).to.equal(
      'client does not support required pow-1 subprotocol',
    );
    expect(client.head.match(/HTTP\/1\.1/g)).to.have.length(1);
  });

  it('defect 6: no Close has the code 1005, 1006 or 1015', async () => {
    const shortTimeoutGateway = await startTestGateway(
      [
        'limits: { firstCallMs: 500ms, pingMs: 100ms, clientTimeoutMs: 3s, closeMs: 200ms }',
        'calls: { sleep: { process: [sleep, "60"] } }',
        '',
      ].join('\n'),
    );
    try {
      const path = '/api/v1/pow/';
      const headers = { 'Sec-WebSocket-Protocol': 'pow-1' };
      const silent = await connectRawClient(shortTimeoutGateway.wsUrl, { path, headers });
      const calling = await connectRawClient(shortTimeoutGateway.wsUrl, { path, headers });
      // This client does not answer pings, so the gateway drops it.
      calling.sendControl({ call: 'sleep' });
      const frames = [
        ...(await withDeadline('the end of the connection', silent.readToEnd())),
        ...(await withDeadline('the end of the connection', calling.readToEnd())),
      ];
      const codes = frames
        .filter(({ opcode }) => opcode === 'close')
        .map(({ payload }) => (payload.length > 1 ? payload.readUInt16BE(0) : undefined));
      expect(codes).to.deep.equal([1000]);
    } finally {
      await shortTimeoutGateway.stop();
    }
  });

  it('defect 7: a character printed byte by byte arrives whole', async () => {
    const { texts } = await (await call('dribble')).readToEnd();
    expect(texts.join('')).to.equal('😀');
    for (const text of texts) expect(text).not.to.contain('\ufffd');
  });

  it('defect 8: a call of 100 KiB works, and a call of 2 MiB gets a result', async () => {
    const { texts, json } = await (await call('provision', 'p'.repeat(100 << 10))).readToEnd();
    expect([texts.join('').trim(), json]).to.deep.equal([String(100 << 10), [{ status: 'fulfilled', value: null }]]);
    expect(await (await call('provision', 'p'.repeat(2 << 20))).readToEnd()).to.deep.include({
      json: [{ status: 'rejected', reason: 'protocol error occurred: message too large' }],
      code: 1000,
    });
  });

  it('defect 9: a call whose value cannot be written as JSON fails with a reason', async () => {
    expect((await (await call('cyclic')).readToEnd()).json).to.deep.equal([
      { status: 'rejected', reason: 'process returned error: result cannot be serialised' },
    ]);
  });

  it('defect 10: an exception of a call reaches no client', async () => {
    const { json, texts } = await (await call('faulty')).readToEnd();
    expect(json).to.deep.equal([{ status: 'rejected', reason: 'unknown error' }]);
    const sent = [
      json,
      texts,
      (await waitUntilEnded(await startCall('faulty-later'))).result,
      await getNewestRuns(gateway, 2),
    ];
    expect(JSON.stringify(sent)).not.to.contain(secret);
    expect(gateway.logText()).to.contain(secret);
  });

  it('defect 11: closeInput over REST ends the input', async () => {
    const id = await startCall('cat');
    await post(`input/${id}`, 'in\n');
    expect((await post(`closeInput/${id}`)).status).to.equal(200);
    expect((await post(`closeInput/${id}`)).status).to.equal(200);
    expect(await waitUntilEnded(id)).to.deep.equal({ buffer: 'in', result: { status: 'fulfilled', value: null } });
  });

  it('defect 12: the buffer includes a last line without a terminator', async () => {
    expect((await waitUntilEnded(await startCall('print'))).buffer).to.equal('x');
  });

  it('defect 13: input for a process that reads none is accepted while the process runs', async () => {
    const id = await startCall('sleep');
    expect(await (await post(`input/${id}`, 'unread\n')).text()).to.equal('input sent');
    expect((await getStatus(id)).result.status).to.equal('pending');
    await post(`cancel/${id}`);
  });

  it("defect 14: another user's ids are unknown", () =>
    withPowTestServer(async ({ ask }) => {
      const id = (await (await ask('new', { user: 'ada', body: '{"call":"sleep"}' })).json()) as string;
      for (const route of [`input/${id}`, `closeInput/${id}`, `cancel/${id}`])
        expect((await ask(route, { user: 'bob', body: 'x' })).status, route).to.equal(404);
      expect((await ask(`status/${id}`, { user: 'bob' })).status).to.equal(404);
      expect(await (await ask(`status/${id}`, { user: 'ada' })).json()).to.have.nested.property(
        'result.status',
        'pending',
      );
    }));

  it('defect 15: REST cancel is answered although the call ignores the stop signal', async () => {
    const id = await startCall('stubborn');
    await waitUntil('the process is ready', async () => (await getStatus(id)).buffer === 'ready');
    expect((await post(`cancel/${id}`)).status).to.equal(200);
    expect((await getStatus(id)).result.status).to.equal('pending');
    expect((await waitUntilEnded(id)).result.reason).to.equal(cancelled);
  });

  it('defect 16: a caller without a login gets 401 and no redirect; one without the scope gets 403', async () => {
    const deps: Parameters<typeof checkUpgrade>[1] = {
      guard: permissiveGuard,
      access: {
        identify: () => ({ caller: { user: '', token: false, scopes: [] } }),
        allows: () => false,
      },
      stopping: false,
      full: false,
    };
    const headers = {
      host: '127.0.0.1',
      upgrade: 'websocket',
      connection: 'upgrade',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-protocol': 'pow-1',
    };
    expect(
      checkUpgrade(
        { method: 'GET', url: '/api/v1/pow/', headers, rawHeaders: [], socket: {} } as unknown as IncomingMessage,
        deps,
      ),
    ).to.deep.equal({
      rejected: { code: 'login_required', plainText: true },
    });
    await withPowTestServer(async ({ ask }) => {
      expect((await ask('new', { user: '', body: '{"call":"sleep"}' })).status).to.equal(401);
      expect((await ask('new', { user: 'outsider', body: '{"call":"sleep"}' })).status).to.equal(403);
    });
    expect((await (await call('never')).readToEnd()).json).to.deep.equal([
      { status: 'rejected', reason: 'failed to get process: no one can do this\nauthorization denied' },
    ]);
  });

  it('defect 17: the paths of the API answer 501 while the API is off', async () => {
    const off = await startTestGateway('http: { listen: "127.0.0.1:0" }\ncalls: { it: { process: ["true"] } }\n');
    try {
      expect(
        (await connectRawClient(off.wsUrl, { path: '/api/v1/pow/', headers: { 'Sec-WebSocket-Protocol': 'pow-1' } }))
          .status,
      ).to.equal(501);
      for (const path of ['new', 'status/x', 'docs/', 'openapi.json']) {
        expect(
          (
            await fetch(`${off.url}/api/v1/pow/${path}`, {
              method: path === 'new' ? 'POST' : 'GET',
              headers: { connection: 'close' },
            })
          ).status,
          path,
        ).to.equal(501);
      }
    } finally {
      await off.stop();
    }
  });

  it('defect 18: an invalid token is rejected, and so is a token without the scope', async () => {
    const headers = { Authorization: 'Bearer GARBAGE', 'Sec-WebSocket-Protocol': 'pow-1' };
    expect((await connectRawClient(gateway.wsUrl, { path: '/api/v1/pow/', headers })).status).to.equal(401);
    expect((await post('new', '{"call":"print"}', { authorization: 'Bearer GARBAGE' })).status).to.equal(401);
    expect(
      (
        await fetch(`${gateway.url}/api/v1/http/auth`, {
          headers: { authorization: 'Bearer GARBAGE', connection: 'close' },
        })
      ).status,
    ).to.equal(401);
    await withPowTestServer(async ({ ask }) =>
      expect((await ask('new', { user: 'outsider', body: '{"call":"sleep"}' })).status).to.equal(403),
    );
  });

  it('defect 19: a page of another origin starts nothing', async () => {
    const before = (await getNewestRuns(gateway))[0]?.id;
    expect((await post('new', '{"call":"print"}', { origin: 'https://elsewhere.example' })).status).to.equal(403);
    expect((await getNewestRuns(gateway))[0]?.id).to.equal(before);
  });

  it('defect 20: OPTIONS runs nothing, HEAD has no body, other methods get the list of allowed ones', async () => {
    for (const [path, allow] of [
      ['pow/status/x', 'GET, HEAD'],
      ['pow/new', 'POST'],
      ['http/status', 'GET, HEAD'],
    ] as const) {
      const ask = (method: string): Promise<Response> =>
        fetch(`${gateway.url}/api/v1/${path}`, { method, headers: { connection: 'close' } });
      const options = await ask('OPTIONS');
      expect([options.status, await options.text(), options.headers.get('allow')], path).to.deep.equal([
        204,
        '',
        `${allow}, OPTIONS`,
      ]);
      const put = await ask('PUT');
      expect([put.status, put.headers.get('allow')], path).to.deep.equal([405, `${allow}, OPTIONS`]);
    }
    const head = await fetch(`${gateway.url}/api/v1/http/status`, { method: 'HEAD', headers: { connection: 'close' } });
    expect([head.status, await head.text()]).to.deep.equal([200, '']);
  });

  it('defect 21: an internal error has a fixed text', () =>
    withPowTestServer(async ({ ask, logged }) => {
      const answer = await ask('new', { user: 'faulty', body: '{"call":"sleep"}' });
      expect([answer.status, await answer.text()]).to.deep.equal([500, 'internal server error']);
      expect(logged()).to.contain(secret);
    }));

  it('defect 22: the public list of systems has taglines for every caller', async () => {
    expect(await gateway.getJson('/api/v1/http/systems')).to.have.nested.property('[0].tagline', 'Pressed plants');
    expect(await gateway.getJson('/api/v1/systems')).to.have.nested.property('[0].Tagline', 'Pressed plants');
  });

  it('defect 23: ten texts before the call are its input', async () => {
    const client = await connectPow();
    for (let i = 0; i < 10; i++) client.sendText(`${i}`);
    client.sendControl({ call: 'cat' });
    client.sendControl({ signal: 'close' });
    const { texts, json } = await client.readToEnd();
    expect([texts.join(''), json]).to.deep.equal(['0123456789', [{ status: 'fulfilled', value: null }]]);
  });

  it('defect 24: every connection gets a result and Close when the server stops', async () => {
    const stopping = await startTestGateway(yaml);
    const clients = await Promise.all(
      ['/api/v1/pow/', '/api/v1/ws', '/api/v1/pow/'].map((path) =>
        connectWsClient(stopping.wsUrl.replace('/api/v1/ws', path), ['pow-1']),
      ),
    );
    for (const client of clients) client.sendControl({ call: 'sleep' });
    for (const client of clients) await client.nextLine();
    void stopping.gateway.stop();
    for (const client of clients)
      expect(await client.readToEnd()).to.deep.equal({
        texts: [],
        json: [{ status: 'rejected', reason: 'process returned error: cancelled: server is shutting down' }],
        code: 1000,
      });
    await stopping.stop();
  });

  it('defect 25: 8 MiB at once become many frames, and the gateway does not wait for a stalled client', async () => {
    const client = await connectRawClient(gateway.wsUrl, {
      path: '/api/v1/pow/',
      headers: { 'Sec-WebSocket-Protocol': 'pow-1' },
    });
    client.socket.pause();
    client.sendControl({ call: 'large' });
    await waitUntil('the run ends although no client reads', async () => {
      const [run] = await getNewestRuns(gateway);
      return run?.call === 'large' && run.state === 'ended';
    });
    client.socket.resume();
    const texts = (await withDeadline('all texts', client.readToEnd(), 20_000)).filter(
      ({ opcode }) => opcode === 'text',
    );
    expect(texts.reduce((sum, { payload }) => sum + payload.length, 0)).to.equal(8 << 20);
    expect(Math.max(...texts.map(({ payload }) => payload.length))).to.be.at.most(defaultLimits.chunkBytesMax);
  });

  it('defect 26: a call fails if its program fails', async () => {
    const reason = 'process returned error: exited with code 1';
    expect((await (await call('cron')).readToEnd()).json).to.deep.equal([{ status: 'rejected', reason }]);
    expect((await waitUntilEnded(await startCall('cron'))).result).to.deep.equal({ status: 'rejected', reason });
  });

  it('defect 27: the second of two concurrent calls on one system is rejected', async () => {
    const first = await call('rebuild', 'herbarium');
    await first.nextLine();
    const [rejection] = (await (await call('rebuild', 'herbarium')).readToEnd()).json;
    expect(rejection).to.have.property('status', 'rejected');
    expect(rejection)
      .to.have.property('reason')
      .that.matches(/too many runs of "rebuild"/);
    const other = await call('rebuild', 'workshop');
    expect(await other.nextLine()).to.equal('ready\n');
    for (const client of [first, other]) client.sendControl({ signal: 'cancel' });
    await Promise.all([first.readToEnd(), other.readToEnd()]);
  });

  it('defect 28: output does not depend on its chunking, and a buffer of three lines has the last three', async () => {
    const [whole, pieces] = await Promise.all([(await call('whole')).readToEnd(), (await call('pieces')).readToEnd()]);
    expect(whole.texts.join('')).to.equal('a\n\nb\n\n\nc\n');
    expect(pieces.texts.join('')).to.equal(whole.texts.join(''));
    expect((await waitUntilEnded(await startCall('pieces'))).buffer)
      .to.equal((await waitUntilEnded(await startCall('whole'))).buffer)
      .and.to.equal('a\n\nb\n\n\nc');
    const short = await startTestGateway(
      `limits: { powLinesMax: 3 }\ncalls: { it: { process: [printf, '${lines.join('\\n')}\\n'] } }\n`,
    );
    try {
      const post3 = await fetch(`${short.url}/api/v1/pow/new`, {
        method: 'POST',
        body: '{"call":"it"}',
        headers: { connection: 'close' },
      });
      const id = (await post3.json()) as string;
      let latest: { buffer?: string; result?: { status: string } } = {};
      await waitUntil('the run ends', async () => {
        latest = (await (
          await fetch(`${short.url}/api/v1/pow/status/${id}`, { headers: { connection: 'close' } })
        ).json()) as typeof latest;
        return latest.result?.status !== 'pending';
      });
      expect(latest.buffer).to.equal(lines.slice(-3).join('\n'));
    } finally {
      await short.stop();
    }
  });

  describe('defect 29: the client library', () => {
    const url = (): string => endpoint(gateway.url);

    it('the client can be awaited before it is connected', async () => {
      expect(await openCall({ url: url(), socket: WebSocket, call: 'print' }).result).to.include({ success: true });
    });

    it('the client can be cancelled before it is open', async () => {
      const open = openCall({ url: url(), socket: WebSocket, call: 'sleep' });
      open.cancel();
      expect(await open.result).to.include({ success: false, status: 'cancelled', lost: 'never-sent' });
    });

    it('the client delivers all items before the result', async () => {
      const items: Item[] = [];
      await openCall({ url: url(), socket: WebSocket, call: 'print', onItem: (item) => void items.push(item) }).result;
      expect(items).to.deep.include({ line: 'x' });
    });

    it('the client reports what went wrong with the connection', async () => {
      const stoppedGateway = await startTestGateway('');
      await stoppedGateway.stop();
      expect(await openCall({ url: endpoint(stoppedGateway.url), socket: WebSocket, call: 'print' }).result).to.include(
        {
          success: false,
          lost: 'never-sent',
        },
      );
    });
  });

  describe('defect 30: past regressions', () => {
    it('the gateway runs calls with and without params', async () => {
      expect((await (await call('print', 'p')).readToEnd()).texts).to.deep.equal(['p']);
      expect((await (await call('print')).readToEnd()).texts).to.deep.equal(['x']);
    });

    it('a reason with quotes is valid JSON', async () => {
      expect((await (await call('apologetic')).readToEnd()).json).to.deep.equal([
        { status: 'rejected', reason: 'process returned error: the disk of the archive is full' },
      ]);
      const [rejection] = (await (await call('rebuild', 'x', 'y')).readToEnd()).json;
      expect(rejection).to.deep.equal({ status: 'rejected', reason: 'failed to get process: invalid args' });
    });

    it('responses have the headers Content-Type and Cache-Control', async () => {
      const answer = await post('new', '{"call":"none"}');
      expect([answer.headers.get('content-type'), answer.headers.get('cache-control')]).to.deep.equal([
        'application/json',
        'no-store',
      ]);
      const missing = await fetch(`${gateway.url}/api/v1/pow/status/none`, { headers: { connection: 'close' } });
      expect([missing.status, missing.headers.get('content-type')]).to.deep.equal([404, 'text/plain; charset=utf-8']);
    });

    it('a trailing slash is optional', async () => {
      for (const path of ['/api/v1/pow', '/api/v1/pow/', '/api/v1/ws', '/api/v1/ws/']) {
        const client = await connectPow(path);
        client.sendControl({ call: 'print' });
        expect((await client.readToEnd()).json, path).to.deep.equal([{ status: 'fulfilled', value: null }]);
      }
      for (const path of ['docs', 'docs/', 'openapi.json'])
        expect(
          (await fetch(`${gateway.url}/api/v1/pow/${path}`, { headers: { connection: 'close' } })).status,
          path,
        ).to.equal(200);
    });
  });

  it('every defect has one test', () => {
    const source = readFileSync(new URL(import.meta.url), 'utf8');
    const numbers = [...source.matchAll(/^ {2}(?:it|describe)\(['"]defect (\d+):/gm)].map(([, number]) =>
      Number(number),
    );
    expect(numbers).to.deep.equal(Array.from({ length: 30 }, (_, i) => i + 1));
  });
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heapUsed(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

interface PowTestServer {
  ask(route: string, asking: { readonly user: string; readonly body?: string }): Promise<Response>;
  logged(): string;
}

const permissiveGuard: RequestGuard = {
  isEnabled: () => true,
  checkHost: () => ({ accepted: true }),
  checkOrigin: () => ({ accepted: true }),
};

/** The REST API with test users: `outsider` has no scope; `faulty` makes the gateway fail. */
async function withPowTestServer(work: (server: PowTestServer) => Promise<unknown>): Promise<void> {
  await withTestRuns([processCall('sleep', ['sleep', '60'])], async ({ runs }) => {
    const logged: string[] = [];
    const identify: PowDeps['access']['identify'] = ({ authorization = '' }) => {
      const user = authorization.replace(/^User ?/, '');
      if (user === 'faulty') throw new Error(secret);
      return { caller: { user, token: false, scopes: [] } };
    };
    const feature = createPowFeature({
      config: () =>
        ({
          http: { api: true, host: '127.0.0.1', domains: [], origins: [] },
          limits: defaultLimits,
        }) as unknown as ReturnType<PowDeps['config']>,
      runs,
      access: {
        identify,
        allows: ({ user }) => user !== '' && user !== 'outsider',
        missingScopeMessage: (scope) => `missing scope "${scope}"`,
      },
      guard: permissiveGuard,
      log: {
        info: () => {},
        warn: () => {},
        error: (facts: object) => void logged.push(String((facts as { err?: Error }).err)),
      } as unknown as PowDeps['log'],
    });
    const server = createServer(createRequestHandler(feature.routes)).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      await work({
        ask: (route, { user, body }) =>
          fetch(`http://127.0.0.1:${port}/api/v1/pow/${route}`, {
            method: body === undefined ? 'GET' : 'POST',
            headers: { connection: 'close', authorization: `User ${user}` },
            ...(body !== undefined && { body }),
          }),
        logged: () => logged.join('\n'),
      });
    } finally {
      await feature.close?.();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
}
