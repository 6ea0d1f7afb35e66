// Thirty defects that a server of this API has had, each by its number: what was done to find it, and that it is not found here.

import { expect } from 'chai';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { WebSocket } from 'ws';
import { endpoint, openCall, type Item } from '../../protocol/client.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import { PowDoor } from '../../server/doors/pow/door.ts';
import type { PowParts } from '../../server/doors/pow/parts.ts';
import { admit, type AdmissionParts } from '../../server/session/admission.ts';
import { secret } from '../fixtures/misbehaving-calls.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { rawClient } from '../helpers/raw-client.ts';
import { newestRuns, settled } from '../helpers/settled.ts';
import { soon, until } from '../helpers/until.ts';
import { wsClient, type WsClient } from '../helpers/ws-client.ts';
import { program, withHeart } from '../runs/heart.ts';

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
  rebuild: { params: [{ name: slug }], process: [sh, -c, 'echo ready; exec sleep 60'], concurrency: { limit: 1, by: slug, queue: 0 } }
  whole: { process: [printf, 'a\\n\\nb\\n\\n\\nc\\n'] }
  pieces: { process: [sh, -c, "for p in 'a\\\\n' '\\\\n' 'b' '\\\\n\\\\n' '\\\\n' 'c' '\\\\n'; do printf $p; sleep 0.01; done"] }
  never: { process: ['true'], scope: never }
`;

const cancelled = 'process returned error: cancelled: client requested cancellation';
const lines = Array.from({ length: 100 }, (_, i) => `line ${i}`);

describe('defects of this API upstream', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => { gateway = await startTestGateway(yaml); });
  afterEach(() => settled(gateway));
  after(() => gateway.stop());

  const pow = (path = '/api/v1/pow/'): Promise<WsClient> => wsClient(gateway.wsUrl.replace('/api/v1/ws', path), ['pow-1']);
  const post = (path: string, body?: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
    fetch(`${gateway.url}/api/v1/pow/${path}`, { method: 'POST', headers: { connection: 'close', ...headers }, ...(body !== undefined && { body }) });
  const started = async (call: string, params: readonly string[] = []): Promise<string> => (await post('new', JSON.stringify({ call, params }))).json() as Promise<string>;
  const status = async (id: string) => (await fetch(`${gateway.url}/api/v1/pow/status/${id}`, { headers: { connection: 'close' } })).json() as Promise<{ buffer?: string; result: { status: string; reason?: string } }>;
  const ended = async (id: string) => {
    await until('there is a result', async () => (await status(id)).result.status !== 'pending');
    return status(id);
  };
  const call = async (name: string, ...params: readonly string[]): Promise<WsClient> => {
    const client = await pow();
    client.control({ call: name, params });
    return client;
  };

  it('defect 1: cancel, disconnect and REST cancel reach the running call', async () => {
    const one = await call('sleep');
    expect(await one.line()).to.equal('ready\n');
    one.control({ signal: 'cancel' });
    expect(await one.rest()).to.deep.include({ json: [{ status: 'rejected', reason: cancelled }], code: 1000 });
    const two = await call('sleep');
    await two.line();
    two.ws.terminate();
    const id = await started('sleep');
    await until('it is ready', async () => (await status(id)).buffer === 'ready');
    expect(await (await post(`cancel/${id}`)).text()).to.equal('process cancelled');
    expect((await ended(id)).result).to.deep.equal({ status: 'rejected', reason: cancelled });
    await settled(gateway);
  });

  it('defect 2: a thousand unread texts do not keep a cancel from arriving', async () => {
    const client = await call('sleep');
    for (let i = 0; i < 1_000; i++) client.text('unread\n');
    expect(await client.line()).to.equal('ready\n');
    client.control({ signal: 'cancel' });
    expect((await client.rest()).json).to.deep.equal([{ status: 'rejected', reason: cancelled }]);
  });

  it('defect 3: 200 quick calls with an immediate close all close cleanly', async () => {
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 20 }, async () => {
        const client = await call('cat');
        client.control({ signal: 'close' });
        const { json, code } = await client.rest();
        expect([json, code]).to.deep.equal([[{ status: 'fulfilled', value: null }], 1000]);
      }));
    }
  });

  it('defect 4: messages that are too large, and texts behind unknown calls, leak nothing', async () => {
    const large = Buffer.alloc(2 << 20, 'x');
    const once = async (): Promise<void> => {
      const [oversize, unknown] = await Promise.all([pow(), pow()]);
      oversize.ws.send(large);
      unknown.control({ call: 'none' });
      for (let i = 0; i < 7; i++) unknown.text('text');
      expect((await oversize.rest()).json).to.deep.equal([{ status: 'rejected', reason: 'protocol error occurred: message too large' }]);
      expect((await unknown.rest()).json).to.deep.equal([{ status: 'rejected', reason: 'failed to get process: unknown process' }]);
    };
    for (let i = 0; i < 10; i++) await once();
    await settled(gateway);
    const before = { files: openFiles(), heap: heapUsed() };
    for (let i = 0; i < 100; i++) await once();
    await settled(gateway);
    await until('no more files are open', () => openFiles() <= before.files);
    expect(heapUsed() - before.heap).to.be.lessThan(4 << 20);
  });

  it('defect 5: an upgrade without the subprotocol gets one answer, 403, and the end', async () => {
    const client = await rawClient(gateway.wsUrl, { path: '/api/v1/pow/' });
    expect(client.status).to.equal(403);
    expect(await soon('the end', client.body)).to.equal('client does not support required pow-1 subprotocol');
    expect(client.head.match(/HTTP\/1\.1/g)).to.have.length(1);
  });

  it('defect 6: no Close says 1005, 1006 or 1015, whatever ran out', async () => {
    const impatient = await startTestGateway('limits: { firstCallMs: 200ms, pingMs: 100ms, lostMs: 300ms, closeMs: 200ms }\ncalls: { sleep: { process: [sleep, "60"] } }\n');
    try {
      const path = '/api/v1/pow/';
      const headers = { 'Sec-WebSocket-Protocol': 'pow-1' };
      const silent = await rawClient(impatient.wsUrl, { path, headers });
      const calling = await rawClient(impatient.wsUrl, { path, headers });
      // Answers no ping: it is lost.
      calling.control({ call: 'sleep' });
      const frames = [...await soon('the end', silent.rest()), ...await soon('the end', calling.rest())];
      const codes = frames.filter(({ opcode }) => opcode === 'close').map(({ payload }) => (payload.length > 1 ? payload.readUInt16BE(0) : undefined));
      expect(codes).to.deep.equal([1000]);
    } finally {
      await impatient.stop();
    }
  });

  it('defect 7: a character that is printed byte by byte arrives as one', async () => {
    const { texts } = await (await call('dribble')).rest();
    expect(texts.join('')).to.equal('😀');
    for (const text of texts) expect(text).not.to.contain('\ufffd');
  });

  it('defect 8: a call of 100 KiB works, and one of 2 MiB has a result', async () => {
    const { texts, json } = await (await call('provision', 'p'.repeat(100 << 10))).rest();
    expect([texts.join('').trim(), json]).to.deep.equal([String(100 << 10), [{ status: 'fulfilled', value: null }]]);
    expect(await (await call('provision', 'p'.repeat(2 << 20))).rest()).to.deep.include({ json: [{ status: 'rejected', reason: 'protocol error occurred: message too large' }], code: 1000 });
  });

  it('defect 9: a value that is no JSON is a failure with a reason', async () => {
    expect((await (await call('cyclic')).rest()).json).to.deep.equal([{ status: 'rejected', reason: 'process returned error: result cannot be serialised' }]);
  });

  it('defect 10: what a call throws reaches nobody', async () => {
    const { json, texts } = await (await call('faulty')).rest();
    expect(json).to.deep.equal([{ status: 'rejected', reason: 'unknown error' }]);
    const told = [json, texts, (await ended(await started('faulty-later'))).result, await newestRuns(gateway, 2)];
    expect(JSON.stringify(told)).not.to.contain(secret);
    expect(gateway.logged()).to.contain(secret);
  });

  it('defect 11: closeInput over REST is the end of input', async () => {
    const id = await started('cat');
    await post(`input/${id}`, 'in\n');
    expect((await post(`closeInput/${id}`)).status).to.equal(200);
    expect((await post(`closeInput/${id}`)).status).to.equal(200);
    expect(await ended(id)).to.deep.equal({ buffer: 'in', result: { status: 'fulfilled', value: null } });
  });

  it('defect 12: the buffer has a last line without a newline', async () => {
    expect((await ended(await started('print'))).buffer).to.equal('x');
  });

  it('defect 13: input for a process that reads none is answered while it runs', async () => {
    const id = await started('sleep');
    expect(await (await post(`input/${id}`, 'unread\n')).text()).to.equal('input sent');
    expect((await status(id)).result.status).to.equal('pending');
    await post(`cancel/${id}`);
  });

  it("defect 14: another user's ids do not exist", () => withDoor(async ({ ask }) => {
    const id = await (await ask('new', { user: 'ada', body: '{"call":"sleep"}' })).json() as string;
    for (const route of [`input/${id}`, `closeInput/${id}`, `cancel/${id}`]) expect((await ask(route, { user: 'bob', body: 'x' })).status, route).to.equal(404);
    expect((await ask(`status/${id}`, { user: 'bob' })).status).to.equal(404);
    expect(await (await ask(`status/${id}`, { user: 'ada' })).json()).to.have.nested.property('result.status', 'pending');
  }));

  it('defect 15: REST cancel is answered although the call ignores the stop signal', async () => {
    const id = await started('stubborn');
    await until('it is ready', async () => (await status(id)).buffer === 'ready');
    expect((await post(`cancel/${id}`)).status).to.equal(200);
    expect((await status(id)).result.status).to.equal('pending');
    expect((await ended(id)).result.reason).to.equal(cancelled);
  });

  it('defect 16: who is not logged in gets 401 and no redirect, who lacks a scope gets 403', async () => {
    const parts: Parameters<typeof admit>[1] = {
      config: () => ({ http: { api: true, host: '127.0.0.1', domains: [], origins: [] } }) as unknown as ReturnType<AdmissionParts['config']>,
      access: { identify: () => ({ caller: { user: '', token: false, scopes: [] } }), allows: () => false, checkHost: () => ({ accepted: true }), checkOrigin: () => ({ accepted: true }) },
      stopping: false, full: false,
    };
    const headers = { host: '127.0.0.1', upgrade: 'websocket', connection: 'upgrade', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-protocol': 'pow-1' };
    expect(admit({ method: 'GET', url: '/api/v1/pow/', headers } as unknown as IncomingMessage, parts)).to.deep.equal({ refused: { code: 'login_required', plain: true } });
    await withDoor(async ({ ask }) => {
      expect((await ask('new', { user: '', body: '{"call":"sleep"}' })).status).to.equal(401);
      expect((await ask('new', { user: 'outsider', body: '{"call":"sleep"}' })).status).to.equal(403);
    });
    expect((await (await call('never')).rest()).json).to.deep.equal([{ status: 'rejected', reason: 'failed to get process: no one can do this\nauthorization denied' }]);
  });

  it('defect 17: nothing below /api/ answers while the API is off', async () => {
    const off = await startTestGateway('http: { listen: "127.0.0.1:0" }\ncalls: { it: { process: ["true"] } }\n');
    try {
      expect((await rawClient(off.wsUrl, { path: '/api/v1/pow/', headers: { 'Sec-WebSocket-Protocol': 'pow-1' } })).status).to.equal(501);
      for (const path of ['new', 'status/x', 'docs/', 'openapi.json']) {
        expect((await fetch(`${off.url}/api/v1/pow/${path}`, { method: path === 'new' ? 'POST' : 'GET', headers: { connection: 'close' } })).status, path).to.equal(501);
      }
    } finally {
      await off.stop();
    }
  });

  it('defect 18: a token that is not valid is refused, and one without the scope too', async () => {
    const headers = { 'Authorization': 'Bearer GARBAGE', 'Sec-WebSocket-Protocol': 'pow-1' };
    expect((await rawClient(gateway.wsUrl, { path: '/api/v1/pow/', headers })).status).to.equal(401);
    expect((await post('new', '{"call":"print"}', { authorization: 'Bearer GARBAGE' })).status).to.equal(401);
    expect((await fetch(`${gateway.url}/api/v1/http/auth`, { headers: { authorization: 'Bearer GARBAGE', connection: 'close' } })).status).to.equal(401);
    await withDoor(async ({ ask }) => expect((await ask('new', { user: 'outsider', body: '{"call":"sleep"}' })).status).to.equal(403));
  });

  it('defect 19: a page of another origin starts nothing', async () => {
    const before = (await newestRuns(gateway))[0]?.id;
    expect((await post('new', '{"call":"print"}', { origin: 'https://elsewhere.example' })).status).to.equal(403);
    expect((await newestRuns(gateway))[0]?.id).to.equal(before);
  });

  it('defect 20: OPTIONS runs nothing, HEAD has no body, other methods are told which are allowed', async () => {
    for (const [path, allow] of [['pow/status/x', 'GET, HEAD'], ['pow/new', 'POST'], ['http/status', 'GET, HEAD']] as const) {
      const ask = (method: string): Promise<Response> => fetch(`${gateway.url}/api/v1/${path}`, { method, headers: { connection: 'close' } });
      const options = await ask('OPTIONS');
      expect([options.status, await options.text(), options.headers.get('allow')], path).to.deep.equal([204, '', `${allow}, OPTIONS`]);
      const put = await ask('PUT');
      expect([put.status, put.headers.get('allow')], path).to.deep.equal([405, `${allow}, OPTIONS`]);
    }
    const head = await fetch(`${gateway.url}/api/v1/http/status`, { method: 'HEAD', headers: { connection: 'close' } });
    expect([head.status, await head.text()]).to.deep.equal([200, '']);
  });

  it('defect 21: a fault is told by its fixed text', () => withDoor(async ({ ask, logged }) => {
    const answer = await ask('new', { user: 'faulty', body: '{"call":"sleep"}' });
    expect([answer.status, await answer.text()]).to.deep.equal([500, 'internal server error']);
    expect(logged()).to.contain(secret);
  }));

  it('defect 22: the public list has taglines, for everybody', async () => {
    expect(await gateway.getJson('/api/v1/http/systems')).to.have.nested.property('[0].tagline', 'Pressed plants');
    expect(await gateway.getJson('/api/v1/systems')).to.have.nested.property('[0].Tagline', 'Pressed plants');
  });

  it('defect 23: ten texts before the call are its input', async () => {
    const client = await pow();
    for (let i = 0; i < 10; i++) client.text(`${i}`);
    client.control({ call: 'cat' });
    client.control({ signal: 'close' });
    const { texts, json } = await client.rest();
    expect([texts.join(''), json]).to.deep.equal(['0123456789', [{ status: 'fulfilled', value: null }]]);
  });

  it('defect 24: when the server stops, every connection has its result and its Close', async () => {
    const stopping = await startTestGateway(yaml);
    const clients = await Promise.all(['/api/v1/pow/', '/api/v1/ws', '/api/v1/pow/'].map((path) => wsClient(stopping.wsUrl.replace('/api/v1/ws', path), ['pow-1'])));
    for (const client of clients) client.control({ call: 'sleep' });
    for (const client of clients) await client.line();
    void stopping.gateway.stop();
    for (const client of clients) expect(await client.rest()).to.deep.equal({ texts: [], json: [{ status: 'rejected', reason: 'process returned error: cancelled: server is shutting down' }], code: 1000 });
    await stopping.stop();
  });

  it('defect 25: 8 MiB at once are many frames, and a client that stalls is not waited for', async () => {
    const client = await rawClient(gateway.wsUrl, { path: '/api/v1/pow/', headers: { 'Sec-WebSocket-Protocol': 'pow-1' } });
    client.socket.pause();
    client.control({ call: 'large' });
    await until('the run is over although nobody reads', async () => {
      const [run] = await newestRuns(gateway);
      return run?.call === 'large' && run.state === 'ended';
    });
    client.socket.resume();
    const texts = (await soon('everything', client.rest(), 20_000)).filter(({ opcode }) => opcode === 'text');
    expect(texts.reduce((sum, { payload }) => sum + payload.length, 0)).to.equal(8 << 20);
    expect(Math.max(...texts.map(({ payload }) => payload.length))).to.be.at.most(defaultLimits.chunkBytesMax);
  });

  it('defect 26: a program that fails is a failure', async () => {
    const reason = 'process returned error: exited with code 1';
    expect((await (await call('cron')).rest()).json).to.deep.equal([{ status: 'rejected', reason }]);
    expect((await ended(await started('cron'))).result).to.deep.equal({ status: 'rejected', reason });
  });

  it('defect 27: of two calls on one system the second is refused', async () => {
    const first = await call('rebuild', 'herbarium');
    await first.line();
    const [refused] = (await (await call('rebuild', 'herbarium')).rest()).json;
    expect(refused).to.have.property('status', 'rejected');
    expect(refused).to.have.property('reason').that.matches(/as many runs of "rebuild" as may be at once/);
    const other = await call('rebuild', 'workshop');
    expect(await other.line()).to.equal('ready\n');
    for (const client of [first, other]) client.control({ signal: 'cancel' });
    await Promise.all([first.rest(), other.rest()]);
  });

  it('defect 28: how output comes in pieces does not change it, and a buffer of three lines has three', async () => {
    const [whole, pieces] = await Promise.all([(await call('whole')).rest(), (await call('pieces')).rest()]);
    expect(whole.texts.join('')).to.equal('a\n\nb\n\n\nc\n');
    expect(pieces.texts.join('')).to.equal(whole.texts.join(''));
    expect((await ended(await started('pieces'))).buffer).to.equal((await ended(await started('whole'))).buffer).and.to.equal('a\n\nb\n\n\nc');
    const short = await startTestGateway(`limits: { powLinesMax: 3 }\ncalls: { it: { process: [printf, '${lines.join('\\n')}\\n'] } }\n`);
    try {
      const post3 = await fetch(`${short.url}/api/v1/pow/new`, { method: 'POST', body: '{"call":"it"}', headers: { connection: 'close' } });
      const id = (await post3.json()) as string;
      let told: { buffer?: string; result?: { status: string } } = {};
      await until('it is over', async () => {
        told = await (await fetch(`${short.url}/api/v1/pow/status/${id}`, { headers: { connection: 'close' } })).json() as typeof told;
        return told.result?.status !== 'pending';
      });
      expect(told.buffer).to.equal(lines.slice(-3).join('\n'));
    } finally {
      await short.stop();
    }
  });

  describe('defect 29: the client', () => {
    const url = (): string => endpoint(gateway.url);

    it('can be waited for before it is connected', async () => {
      expect(await openCall({ url: url(), socket: WebSocket, call: 'print' }).result).to.include({ success: true });
    });

    it('can be cancelled before it is open', async () => {
      const open = openCall({ url: url(), socket: WebSocket, call: 'sleep' });
      open.cancel();
      expect(await open.result).to.include({ success: false, status: 'cancelled', lost: 'never-sent' });
    });

    it('hands over everything before the result', async () => {
      const items: Item[] = [];
      await openCall({ url: url(), socket: WebSocket, call: 'print', onItem: (item) => void items.push(item) }).result;
      expect(items).to.deep.include({ line: 'x' });
    });

    it('says what went wrong with the connection', async () => {
      const gone = await startTestGateway('');
      await gone.stop();
      expect(await openCall({ url: endpoint(gone.url), socket: WebSocket, call: 'print' }).result).to.include({ success: false, lost: 'never-sent' });
    });
  });

  describe('defect 30: past regressions', () => {
    it('calls with and without params', async () => {
      expect((await (await call('print', 'p')).rest()).texts).to.deep.equal(['p']);
      expect((await (await call('print')).rest()).texts).to.deep.equal(['x']);
    });

    it('a reason with quotes is JSON', async () => {
      expect((await (await call('apologetic')).rest()).json).to.deep.equal([{ status: 'rejected', reason: 'process returned error: the disk of the archive is full' }]);
      const [refused] = (await (await call('rebuild', 'x', 'y')).rest()).json;
      expect(refused).to.deep.equal({ status: 'rejected', reason: 'failed to get process: invalid args' });
    });

    it('every answer has its headers', async () => {
      const answer = await post('new', '{"call":"none"}');
      expect([answer.headers.get('content-type'), answer.headers.get('cache-control')]).to.deep.equal(['application/json', 'no-store']);
      const missing = await fetch(`${gateway.url}/api/v1/pow/status/none`, { headers: { connection: 'close' } });
      expect([missing.status, missing.headers.get('content-type')]).to.deep.equal([404, 'text/plain; charset=utf-8']);
    });

    it('a slash at the end is optional', async () => {
      for (const path of ['/api/v1/pow', '/api/v1/pow/', '/api/v1/ws', '/api/v1/ws/']) {
        const client = await pow(path);
        client.control({ call: 'print' });
        expect((await client.rest()).json, path).to.deep.equal([{ status: 'fulfilled', value: null }]);
      }
      for (const path of ['docs', 'docs/', 'openapi.json']) expect((await fetch(`${gateway.url}/api/v1/pow/${path}`, { headers: { connection: 'close' } })).status, path).to.equal(200);
    });
  });

  it('have a test each', () => {
    const source = readFileSync(new URL(import.meta.url), 'utf8');
    const numbers = [...source.matchAll(/^ {2}(?:it|describe)\(['"]defect (\d+):/gm)].map(([, number]) => Number(number));
    expect(numbers).to.deep.equal(Array.from({ length: 30 }, (_, i) => i + 1));
  });
});

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heapUsed(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

interface Door {
  ask(route: string, asking: { readonly user: string; readonly body?: string }): Promise<Response>;
  logged(): string;
}

/** The REST door with users of our own making: `outsider` lacks every scope, and for `faulty` the gateway has a fault. */
async function withDoor(work: (door: Door) => Promise<unknown>): Promise<void> {
  await withHeart([program('sleep', ['sleep', '60'])], async ({ runs }) => {
    const logged: string[] = [];
    const identify: PowParts['access']['identify'] = ({ authorization = '' }) => {
      const user = authorization.replace(/^User ?/, '');
      if (user === 'faulty') throw new Error(secret);
      return { caller: { user, token: false, scopes: [] } };
    };
    const door = new PowDoor({
      config: () => ({ http: { api: true, host: '127.0.0.1', domains: [], origins: [] }, limits: defaultLimits }) as unknown as ReturnType<PowParts['config']>,
      runs,
      access: {
        identify, allows: ({ user }) => user !== '' && user !== 'outsider', scopeText: (scope) => `missing scope "${scope}"`,
        checkHost: () => ({ accepted: true }), checkOrigin: () => ({ accepted: true }),
      },
      log: { info: () => {}, warn: () => {}, error: (facts: object) => void logged.push(String((facts as { err?: Error }).err)) } as unknown as PowParts['log'],
    });
    const server = createServer(door.answer).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      await work({
        ask: (route, { user, body }) => fetch(`http://127.0.0.1:${port}/api/v1/pow/${route}`, {
          method: body === undefined ? 'GET' : 'POST', headers: { connection: 'close', authorization: `User ${user}` }, ...(body !== undefined && { body }),
        }),
        logged: () => logged.join('\n'),
      });
    } finally {
      door.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
}
