// Tests the websocket upgrade: which requests get a websocket, and the single HTTP response that all others get.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type RunningCli, startCli } from '../helpers/cli/run-cli.ts';
import { expectIdle, getStatus } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { waitUntil, withDeadline } from '../helpers/wait-until.ts';
import { connectRawClient, handshake, type RawClient, type RawClientOptions } from '../helpers/websocket/raw-client.ts';
import { encodeFrame } from '../helpers/websocket/raw-frames.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

const calls = `
calls:
  hello: { process: [echo, hello] }
  sleep: { process: [sh, -c, 'echo ready; exec sleep 60'] }
  tidy: { process: [sh, -c, "trap 'read line; exit 0' TERM; echo ready; sleep 60 & wait"], stop: { grace: 20s } }
`;

/** Invalid headers by check. A row also fails later checks, so that the response shows which check came first. */
const invalidRequests = {
  version: { 'Sec-WebSocket-Version': '12' },
  key: { 'Sec-WebSocket-Key': 'short' },
  origin: { Origin: 'http://evil.example' },
  token: { Authorization: 'Bearer nonsense' },
  subprotocol: { 'Sec-WebSocket-Protocol': 'pow-0' },
} as const;

interface Row {
  readonly title: string;
  readonly request: RawClientOptions;
  readonly status: number;
  readonly message: RegExp | string;
  readonly header?: string;
}

const rows: readonly Row[] = [
  {
    title: 'another host, before all that follows',
    request: {
      path: '/nowhere',
      headers: { Host: 'evil.example', ...invalidRequests.version, ...invalidRequests.origin },
    },
    status: 404,
    message: /^not found: the gateway does not answer for/,
  },
  {
    title: 'another path',
    request: { path: '/api/v1/elsewhere', headers: { ...invalidRequests.version, ...invalidRequests.origin } },
    status: 404,
    message: 'no websocket at this path; connect to /api/v1/ws',
  },
  {
    title: 'another upgrade',
    request: { headers: { Upgrade: 'h2c', ...invalidRequests.version, ...invalidRequests.origin } },
    status: 400,
    message: 'not a websocket upgrade',
  },
  {
    title: 'another method',
    request: { method: 'POST', headers: { ...invalidRequests.version, ...invalidRequests.origin } },
    status: 400,
    message: 'a websocket upgrade needs GET, not POST',
  },
  {
    title: 'another version',
    request: { headers: { ...invalidRequests.version, ...invalidRequests.key, ...invalidRequests.origin } },
    status: 426,
    message: 'websocket version 13 is required',
    header: 'Sec-WebSocket-Version: 13',
  },
  {
    title: 'no version',
    request: { headers: { 'Sec-WebSocket-Version': undefined, ...invalidRequests.origin } },
    status: 426,
    message: 'websocket version 13 is required',
    header: 'Sec-WebSocket-Version: 13',
  },
  {
    title: 'a broken key',
    request: { headers: { ...invalidRequests.key, ...invalidRequests.origin } },
    status: 400,
    message: 'Sec-WebSocket-Key is missing or invalid',
  },
  {
    title: 'no key',
    request: { headers: { 'Sec-WebSocket-Key': undefined, ...invalidRequests.origin } },
    status: 400,
    message: 'Sec-WebSocket-Key is missing or invalid',
  },
  {
    title: 'another origin',
    request: { headers: { ...invalidRequests.origin, ...invalidRequests.token, ...invalidRequests.subprotocol } },
    status: 403,
    message: /origin/,
  },
  { title: 'an opaque origin', request: { headers: { Origin: 'null' } }, status: 403, message: /origin/ },
  {
    title: 'an unknown subprotocol',
    request: { headers: invalidRequests.subprotocol },
    status: 400,
    message: 'unknown subprotocol; known: distillery.v2, pow-1, or none',
  },
  {
    title: 'an empty list of subprotocols',
    request: { headers: { 'Sec-WebSocket-Protocol': '' } },
    status: 400,
    message: /subprotocol/,
  },
  {
    title: 'a subprotocol twice',
    request: { headers: { 'Sec-WebSocket-Protocol': 'distillery.v2, distillery.v2' } },
    status: 400,
    message: /subprotocol/,
  },
  {
    title: 'a list of subprotocols that is none',
    request: { headers: { 'Sec-WebSocket-Protocol': 'distillery.v2,,' } },
    status: 400,
    message: /subprotocol/,
  },
];

describe('the websocket upgrade', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(calls);
  });
  after(() => gateway.stop());
  afterEach(() => expectIdle(gateway));

  for (const { title, request, status, message, header } of rows) {
    it(`an upgrade is rejected with one response: ${title}`, async () => {
      // The gateway neither reads nor answers data after a rejected handshake.
      const client = await connectRawClient(gateway.wsUrl, {
        ...request,
        early: encodeFrame('binary', '{"call":"hello"}'),
      });
      const body = await withDeadline('the end of the connection', client.body);
      expect(client.status).to.equal(status);
      expect(client.head)
        .to.match(/\r\nConnection: close\r\n/i)
        .and.match(/\r\nContent-Type: application\/json/i)
        .and.contain(header ?? '');
      const answer = JSON.parse(body) as { status: number; message: string };
      expect(answer.status).to.equal(status);
      if (typeof message === 'string') expect(answer.message).to.equal(message);
      else expect(answer.message).to.match(message);
    });
  }

  for (const path of ['/api/v1/ws', '/api/v1/ws/', '/api/v1/ws?x=1', '/api/v1/ws/?token=secret']) {
    it(`an upgrade is granted at ${path}`, async () => {
      const client = await connectRawClient(gateway.wsUrl, { path });
      expect(client.status).to.equal(101);
      // The example in RFC 6455, section 1.3.
      expect(client.head).to.contain('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=').and.not.to.contain('Sec-WebSocket-Protocol');
      client.socket.destroy();
    });
  }

  for (const path of [
    '/',
    '/api',
    '/api/v1/ws/x',
    '/api/v1/ws//',
    '/api/v1/wss',
    '/api/v1/WS',
    '/api/v1/pow/new',
    '/api/v1/power',
    '/healthz',
    '//api/v1/ws',
    '/api/v1/../v1/ws',
    '/api/v1/w%73',
  ]) {
    it(`an upgrade at ${path} gets the status 404`, async () => {
      const client = await connectRawClient(gateway.wsUrl, { path });
      await client.body;
      expect(client.status).to.equal(404);
    });
  }

  for (const headers of [
    { Origin: undefined },
    { Origin: 'self' },
    { Upgrade: 'WebSocket', Connection: 'keep-alive, upgrade' },
    { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' },
    { 'Sec-WebSocket-Protocol': 'other, distillery.v2' },
    { 'Sec-WebSocket-Protocol': 'distillery.v2,other' },
  ]) {
    it(`an upgrade is granted with ${JSON.stringify(headers)}`, async () => {
      const client = await connectRawClient(gateway.wsUrl, {
        headers: { ...headers, ...(headers.Origin === 'self' && { Origin: gateway.url }) },
      });
      expect(client.status).to.equal(101);
      expect(client.head).not.to.contain('Extensions');
      if ('Sec-WebSocket-Protocol' in headers) expect(client.head).to.contain('Sec-WebSocket-Protocol: distillery.v2');
      client.socket.destroy();
    });
  }

  it('a call that arrives in the same packet as the handshake is started', async () => {
    const client = await connectRawClient(gateway.wsUrl, { early: encodeFrame('binary', '{"call":"hello"}') });
    expect((await client.next())?.payload.toString()).to.equal('hello');
    client.socket.destroy();
  });

  it('an upgrade is rejected while the server stops', async () => {
    const own = await startTestGateway(calls);
    const running = await connectWsClient(own.wsUrl, ['distillery.v2']);
    running.sendControl({ call: 'tidy' });
    await waitUntil('the process prints', async () => 'text' in (await running.next()));
    const late = await sendPartialRequest(own);
    void own.stop();
    await waitUntil('the run is being cancelled', async () =>
      JSON.stringify(await running.next()).includes('cancelling'),
    );
    const { status, body } = await late.finish();
    expect(status).to.equal(503);
    expect(JSON.parse(body)).to.include({ status: 503, message: 'websocket server closed' });
    running.sendControl({ signal: 'cancel' });
    await running.readToEnd();
    await own.stop();
  });

  it('an upgrade beyond the session limit is rejected until a session ends', async () => {
    const own = await startTestGateway(`${calls}limits: { sessionsMax: 2 }\n`);
    const clients = [await connectWsClient(own.wsUrl), await connectWsClient(own.wsUrl)];
    const rejection = await connectRawClient(own.wsUrl);
    expect(JSON.parse(await rejection.body)).to.include({ status: 503, message: 'too many sessions; try again later' });
    clients[0]?.ws.close();
    await waitUntil('one session has ended', async () => (await getStatus(own)).sessions === 1);
    const next = await connectRawClient(own.wsUrl);
    expect(next.status).to.equal(101);
    next.socket.destroy();
    clients[1]?.ws.terminate();
    await expectIdle(own);
    await own.stop();
  });

  it('an upgrade is granted to pages of the configured origins and hosts', async () => {
    const own = await startTestGateway(
      [
        'http:',
        '  api: true',
        '  listen: "127.0.0.1:0"',
        '  domains: [gateway.example.org]',
        '  origins: ["https://app.example.org"]',
        '',
      ].join('\n'),
    );
    const status = async (headers: RawClientOptions['headers']): Promise<number> => {
      const client = await connectRawClient(own.wsUrl, { headers: headers! });
      client.socket.destroy();
      return client.status;
    };
    expect(await status({ Origin: 'https://app.example.org' })).to.equal(101);
    expect(await status({ Host: 'gateway.example.org', Origin: 'http://gateway.example.org' })).to.equal(101);
    for (const Origin of [
      'http://app.example.org',
      'https://app.example.org.evil.example',
      'https://app.example.org:444',
      'https://evil.example',
    ]) {
      expect(await status({ Origin }), Origin).to.equal(403);
    }
    await expectIdle(own);
    await own.stop();
  });

  describe('the websocket upgrade while the API is off', () => {
    let off: TestGateway;
    before(async () => {
      off = await startTestGateway(`http: { listen: "127.0.0.1:0" }\n${calls}`);
    });
    after(() => off.stop());

    for (const path of ['/api', '/api/', '/api/v1/ws', '/api/v1/ws/x', '/api/anything', '/api?x']) {
      it(`an upgrade at ${path} gets the status 501 while the API is off, whatever else is wrong`, async () => {
        const client = await connectRawClient(off.wsUrl, {
          path,
          headers: {
            Host: 'evil.example',
            ...invalidRequests.version,
            ...invalidRequests.key,
            ...invalidRequests.origin,
            ...invalidRequests.subprotocol,
          },
        });
        expect(JSON.parse(await client.body)).to.include({
          status: 501,
          message: 'API is not implemented on this server; http: { api: true } in its distillery.yaml enables it',
        });
        expect(client.status).to.equal(501);
      });
    }

    for (const path of ['/apix', '/apix/v1/ws', '/api-v1', '/', '/healthz']) {
      it(`an upgrade at ${path}, outside the API, gets the status 404 while the API is off`, async () => {
        const client = await connectRawClient(off.wsUrl, { path });
        await client.body;
        expect(client.status).to.equal(404);
      });
    }
  });
});

describe('the switch http.api', function () {
  this.timeout(60_000);
  let folder: string;
  let served: RunningCli;

  const write = (api: boolean): Promise<void> =>
    writeFile(join(folder, 'distillery.yaml'), `http: { api: ${api}, listen: "127.0.0.1:0" }\ndata: data\n${calls}`);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'switch-'));
    await write(true);
    served = startCli(['serve'], { cwd: folder, env: { LOG_LEVEL: 'warn' } });
  });
  afterEach(async () => {
    served.child.kill('SIGTERM');
    await served.result;
    await rm(folder, { recursive: true });
  });

  it('the gateway rejects new sessions after http.api is switched off, and running ones continue', async () => {
    const [, url = ''] = await served.waitForMatch(/^listening on (http:\/\/\S+)\n$/);
    const running = await connectWsClient(`${url.replace('http', 'ws')}/api/v1/ws`);
    running.sendControl({ call: 'sleep' });
    expect(await running.nextLine()).to.equal('ready');
    await write(false);
    await waitUntil('new sessions are rejected', async () => (await upgradeStatus(url)) === 501);
    expect((await fetch(`${url}/api/v1/http/status`)).status).to.equal(501);
    expect((await fetch(`${url}/healthz`)).status).to.equal(200);
    running.sendControl({ signal: 'cancel' });
    expect(await running.readToEnd()).to.deep.equal({
      texts: [],
      json: [{ success: false, message: 'cancelled: client requested cancellation' }],
      code: 1000,
    });
    await write(true);
    await waitUntil('new sessions are granted', async () => (await upgradeStatus(url)) === 101);
  });
});

async function upgradeStatus(url: string): Promise<number> {
  const client: RawClient = await connectRawClient(url);
  client.socket.destroy();
  return client.status;
}

/** Starts a handshake. `finish` sends its last bytes. */
async function sendPartialRequest(
  gateway: TestGateway,
): Promise<{ finish(): Promise<{ status: number; body: string }> }> {
  const { connect } = await import('node:net');
  const { port, host } = new URL(gateway.url);
  const text = handshake(host);
  const socket = connect({ host: '127.0.0.1', port: Number(port), noDelay: true });
  await new Promise<void>((resolve) => socket.write(text.slice(0, -2), () => resolve()));
  return {
    async finish() {
      let received = '';
      socket.on('data', (piece) => {
        received += String(piece);
      });
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.write(text.slice(-2));
      await withDeadline('the close of the connection', closed);
      const [head = '', body = ''] = received.split('\r\n\r\n');
      return { status: Number(head.split(' ')[1]), body };
    },
  };
}
