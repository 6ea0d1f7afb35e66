// The door: who gets a websocket, and the one HTTP answer that everybody else gets.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { startCli, type RunningCli } from '../helpers/cli.ts';
import { encodeFrame } from '../helpers/frames.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { handshake, rawClient, type RawClient, type RawOptions } from '../helpers/raw-client.ts';
import { settled, statusOf } from '../helpers/settled.ts';
import { soon, until } from '../helpers/until.ts';
import { wsClient } from '../helpers/ws-client.ts';

const calls = `
calls:
  hello: { process: [echo, hello] }
  sleep: { process: [sh, -c, 'echo ready; exec sleep 60'] }
  tidy: { process: [sh, -c, "trap 'read line; exit 0' TERM; echo ready; sleep 60 & wait"], stop: { grace: 20s } }
`;

/** Everything a later check would refuse too, so that an answer shows which check comes first. */
const bad = {
  version: { 'Sec-WebSocket-Version': '12' },
  key: { 'Sec-WebSocket-Key': 'short' },
  origin: { Origin: 'http://evil.example' },
  token: { Authorization: 'Bearer nonsense' },
  subprotocol: { 'Sec-WebSocket-Protocol': 'pow-0' },
} as const;

interface Row {
  readonly title: string;
  readonly asked: RawOptions;
  readonly status: number;
  readonly message: RegExp | string;
  readonly header?: string;
}

const rows: readonly Row[] = [
  { title: 'another host, before all that follows', asked: { path: '/nowhere', headers: { Host: 'evil.example', ...bad.version, ...bad.origin } }, status: 404, message: /^not found: the gateway does not answer for/ },
  { title: 'another path', asked: { path: '/api/v1/elsewhere', headers: { ...bad.version, ...bad.origin } }, status: 404, message: 'no websocket here; it is at /api/v1/ws' },
  { title: 'another upgrade', asked: { headers: { Upgrade: 'h2c', ...bad.version, ...bad.origin } }, status: 400, message: 'not a websocket upgrade' },
  { title: 'another method', asked: { method: 'POST', headers: { ...bad.version, ...bad.origin } }, status: 400, message: 'a websocket is opened with GET, not POST' },
  { title: 'another version', asked: { headers: { ...bad.version, ...bad.key, ...bad.origin } }, status: 426, message: 'websocket version 13 is needed', header: 'Sec-WebSocket-Version: 13' },
  { title: 'no version', asked: { headers: { 'Sec-WebSocket-Version': undefined, ...bad.origin } }, status: 426, message: 'websocket version 13 is needed', header: 'Sec-WebSocket-Version: 13' },
  { title: 'a broken key', asked: { headers: { ...bad.key, ...bad.origin } }, status: 400, message: 'Sec-WebSocket-Key is missing or invalid' },
  { title: 'no key', asked: { headers: { 'Sec-WebSocket-Key': undefined, ...bad.origin } }, status: 400, message: 'Sec-WebSocket-Key is missing or invalid' },
  { title: 'another origin', asked: { headers: { ...bad.origin, ...bad.token, ...bad.subprotocol } }, status: 403, message: /origin/ },
  { title: 'an opaque origin', asked: { headers: { Origin: 'null' } }, status: 403, message: /origin/ },
  { title: 'an unknown subprotocol', asked: { headers: bad.subprotocol }, status: 400, message: 'unknown subprotocol; known: distillery.v2, pow-1, or none' },
  { title: 'an empty list of subprotocols', asked: { headers: { 'Sec-WebSocket-Protocol': '' } }, status: 400, message: /subprotocol/ },
  { title: 'a subprotocol twice', asked: { headers: { 'Sec-WebSocket-Protocol': 'distillery.v2, distillery.v2' } }, status: 400, message: /subprotocol/ },
  { title: 'a list of subprotocols that is none', asked: { headers: { 'Sec-WebSocket-Protocol': 'distillery.v2,,' } }, status: 400, message: /subprotocol/ },
];

describe('upgrade', () => {
  let gateway: TestGateway;
  before(async () => { gateway = await startTestGateway(calls); });
  after(() => gateway.stop());
  afterEach(() => settled(gateway));

  for (const { title, asked, status, message, header } of rows) {
    it(`is refused with one answer: ${title}`, async () => {
      // What follows the handshake is not looked at, and is not answered.
      const client = await rawClient(gateway.wsUrl, { ...asked, early: encodeFrame('binary', '{"call":"hello"}') });
      const body = await soon('the end of the connection', client.body);
      expect(client.status).to.equal(status);
      expect(client.head).to.match(/\r\nConnection: close\r\n/i).and.match(/\r\nContent-Type: application\/json/i).and.contain(header ?? '');
      const answer = JSON.parse(body) as { status: number; message: string };
      expect(answer.status).to.equal(status);
      if (typeof message === 'string') expect(answer.message).to.equal(message); else expect(answer.message).to.match(message);
    });
  }

  for (const path of ['/api/v1/ws', '/api/v1/ws/', '/api/v1/ws?x=1', '/api/v1/ws/?token=secret']) {
    it(`is granted at ${path}`, async () => {
      const client = await rawClient(gateway.wsUrl, { path });
      expect(client.status).to.equal(101);
      // The example of RFC 6455, 1.3.
      expect(client.head).to.contain('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=').and.not.to.contain('Sec-WebSocket-Protocol');
      client.socket.destroy();
    });
  }

  for (const path of ['/', '/api', '/api/v1/ws/x', '/api/v1/ws//', '/api/v1/wss', '/api/v1/WS', '/api/v1/pow/new', '/api/v1/power', '/healthz', '//api/v1/ws', '/api/v1/../v1/ws', '/api/v1/w%73']) {
    it(`is not found at ${path}`, async () => {
      const client = await rawClient(gateway.wsUrl, { path });
      await client.body;
      expect(client.status).to.equal(404);
    });
  }

  for (const headers of [
    { 'Origin': undefined }, { Origin: 'self' }, { Upgrade: 'WebSocket', Connection: 'keep-alive, upgrade' }, { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' },
    { 'Sec-WebSocket-Protocol': 'other, distillery.v2' }, { 'Sec-WebSocket-Protocol': 'distillery.v2,other' },
  ]) {
    it(`is granted with ${JSON.stringify(headers)}`, async () => {
      const client = await rawClient(gateway.wsUrl, { headers: { ...headers, ...(headers.Origin === 'self' && { Origin: gateway.url }) } });
      expect(client.status).to.equal(101);
      expect(client.head).not.to.contain('Extensions');
      if ('Sec-WebSocket-Protocol' in headers) expect(client.head).to.contain('Sec-WebSocket-Protocol: distillery.v2');
      client.socket.destroy();
    });
  }

  it('takes a call that comes in the packet of the handshake', async () => {
    const client = await rawClient(gateway.wsUrl, { early: encodeFrame('binary', '{"call":"hello"}') });
    expect((await client.next())?.payload.toString()).to.equal('hello');
    client.socket.destroy();
  });

  it('is told that a server is stopping', async () => {
    const own = await startTestGateway(calls);
    const running = await wsClient(own.wsUrl, ['distillery.v2']);
    running.control({ call: 'tidy' });
    await until('it runs', async () => 'text' in await running.next());
    const late = await half(own);
    void own.stop();
    await until('it is stopping', async () => JSON.stringify(await running.next()).includes('cancelling'));
    const { status, body } = await late.finish();
    expect(status).to.equal(503);
    expect(JSON.parse(body)).to.include({ status: 503, message: 'websocket server closed' });
    running.control({ signal: 'cancel' });
    await running.rest();
    await own.stop();
  });

  it('is refused beyond the number of sessions, until one ends', async () => {
    const own = await startTestGateway(`${calls}limits: { sessionsMax: 2 }\n`);
    const clients = [await wsClient(own.wsUrl), await wsClient(own.wsUrl)];
    const refused = await rawClient(own.wsUrl);
    expect(JSON.parse(await refused.body)).to.include({ status: 503, message: 'too many sessions; try again later' });
    clients[0]?.ws.close();
    await until('one has ended', async () => (await statusOf(own)).sessions === 1);
    const next = await rawClient(own.wsUrl);
    expect(next.status).to.equal(101);
    next.socket.destroy();
    clients[1]?.ws.terminate();
    await settled(own);
    await own.stop();
  });

  it('is granted to pages of the origins and hosts in the configuration', async () => {
    const own = await startTestGateway('http: { api: true, listen: "127.0.0.1:0", domains: [gateway.example.org], origins: ["https://app.example.org"] }\n');
    const status = async (headers: RawOptions['headers']): Promise<number> => {
      const client = await rawClient(own.wsUrl, { headers: headers! });
      client.socket.destroy();
      return client.status;
    };
    expect(await status({ Origin: 'https://app.example.org' })).to.equal(101);
    expect(await status({ Host: 'gateway.example.org', Origin: 'http://gateway.example.org' })).to.equal(101);
    for (const Origin of ['http://app.example.org', 'https://app.example.org.evil.example', 'https://app.example.org:444', 'https://evil.example']) {
      expect(await status({ Origin }), Origin).to.equal(403);
    }
    await settled(own);
    await own.stop();
  });

  describe('while the API is off', () => {
    let off: TestGateway;
    before(async () => { off = await startTestGateway(`http: { listen: "127.0.0.1:0" }\n${calls}`); });
    after(() => off.stop());

    for (const path of ['/api', '/api/', '/api/v1/ws', '/api/v1/ws/x', '/api/anything', '/api?x']) {
      it(`is not implemented at ${path}, whatever else is wrong`, async () => {
        const client = await rawClient(off.wsUrl, { path, headers: { Host: 'evil.example', ...bad.version, ...bad.key, ...bad.origin, ...bad.subprotocol } });
        expect(JSON.parse(await client.body)).to.include({ status: 501, message: 'API is not implemented on this server' });
        expect(client.status).to.equal(501);
      });
    }

    for (const path of ['/apix', '/apix/v1/ws', '/api-v1', '/', '/healthz']) {
      it(`is not found at ${path}, which is not of the API`, async () => {
        const client = await rawClient(off.wsUrl, { path });
        await client.body;
        expect(client.status).to.equal(404);
      });
    }
  });
});

describe('the switch http.api', function () {
  this.timeout(30_000);
  let folder: string;
  let served: RunningCli;

  const write = (api: boolean): Promise<void> => writeFile(join(folder, 'distillery.yaml'), `http: { api: ${api}, listen: "127.0.0.1:0" }\ndata: data\n${calls}`);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'switch-'));
    await write(true);
    served = startCli(['serve'], { cwd: folder, env: { LOG_LEVEL: 'warn' } });
  });
  afterEach(async () => {
    served.child.kill('SIGTERM');
    await served.ended;
    await rm(folder, { recursive: true });
  });

  it('refuses new sessions from the moment the file is changed, and the running ones go on', async () => {
    const [, url = ''] = await served.says(/^listening on (http:\/\/\S+)\n$/);
    const running = await wsClient(`${url.replace('http', 'ws')}/api/v1/ws`);
    running.control({ call: 'sleep' });
    expect(await running.line()).to.equal('ready');
    await write(false);
    await until('new sessions are refused', async () => (await statusOfUpgrade(url)) === 501);
    expect((await fetch(`${url}/api/v1/http/status`)).status).to.equal(501);
    expect((await fetch(`${url}/healthz`)).status).to.equal(200);
    running.control({ signal: 'cancel' });
    expect(await running.rest()).to.deep.equal({ texts: [], json: [{ success: false, message: 'cancelled: client requested cancellation' }], code: 1000 });
    await write(true);
    await until('new sessions are granted', async () => (await statusOfUpgrade(url)) === 101);
  });
});

async function statusOfUpgrade(url: string): Promise<number> {
  const client: RawClient = await rawClient(url);
  client.socket.destroy();
  return client.status;
}

/** A handshake of which the last bytes are sent when asked to. */
async function half(gateway: TestGateway): Promise<{ finish(): Promise<{ status: number; body: string }> }> {
  const { connect } = await import('node:net');
  const { port, host } = new URL(gateway.url);
  const text = handshake(host);
  const socket = connect({ host: '127.0.0.1', port: Number(port), noDelay: true });
  await new Promise<void>((resolve) => socket.write(text.slice(0, -2), () => resolve()));
  return {
    async finish() {
      let heard = '';
      socket.on('data', (piece) => { heard += String(piece); });
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.write(text.slice(-2));
      await soon('the answer', closed);
      const [head = '', body = ''] = heard.split('\r\n\r\n');
      return { status: Number(head.split(' ')[1]), body };
    },
  };
}
