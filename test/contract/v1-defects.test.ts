// What the first server of this protocol did wrong, each as a test of ours.

import { fileURLToPath } from 'node:url';
import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { encodeClose, encodeFrame } from '../helpers/frames.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { rawClient, type RawClient } from '../helpers/raw-client.ts';
import { newestEnded, settled } from '../helpers/settled.ts';
import { soon, until } from '../helpers/until.ts';
import { wsClient } from '../helpers/ws-client.ts';
import { secret } from '../fixtures/misbehaving-calls.ts';

const module = fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url));
const yaml = `
modules: [${JSON.stringify(module)}]
limits: { graceMs: 1s }
calls:
  cat: { process: [cat] }
  sleep: { process: [sh, -c, 'echo ready; exec sleep 60'] }
  hello: { process: [echo, hello] }
  dribble: { process: [sh, -c, 'for b in "\\\\360" "\\\\237" "\\\\230" "\\\\200" "\\\\n"; do printf $b; sleep 0.01; done'] }
  flood: { process: [sh, -c, 'head -c 8388608 /dev/zero; echo; echo end'] }
  length: { params: [{ name: text }], process: [sh, -c, 'printf %s "$1" | wc -c', length, "\${text}"] }
`;

const sockets = (): number => readdirSync('/proc/self/fd').length;
const call = (name: string): Buffer => encodeFrame('binary', JSON.stringify({ call: name }));

describe('defects that are not repeated', () => {
  let gateway: TestGateway;
  beforeEach(async () => { gateway = await startTestGateway(yaml); });
  afterEach(() => gateway.stop());

  it('1: cancel reaches the call', async () => {
    const client = await wsClient(gateway.wsUrl);
    client.control({ call: 'sleep' });
    expect(await client.line()).to.equal('ready');
    client.control({ signal: 'cancel' });
    expect((await soon('the result', client.rest(), 2_000)).json).to.deep.equal([{ success: false, message: 'cancelled: client requested cancellation' }]);
    await settled(gateway);
  });

  it('1: so does the end of the connection', async () => {
    const client = await wsClient(gateway.wsUrl);
    client.control({ call: 'sleep' });
    expect(await client.line()).to.equal('ready');
    client.ws.terminate();
    await settled(gateway, 2_000);
    expect(await newestEnded(gateway)).to.deep.include({ outcome: 'cancelled', message: 'cancelled: client disconnected' });
  });

  it('2: a thousand unread input frames do not stand before a cancel', async () => {
    const client = await wsClient(gateway.wsUrl);
    client.control({ call: 'sleep' });
    for (let count = 0; count < 1000; count++) client.text(`frame ${count}`);
    client.control({ signal: 'cancel' });
    const { json, code } = await soon('the result', client.rest(), 2_000);
    expect({ json, code }).to.deep.equal({ json: [{ success: false, message: 'cancelled: client requested cancellation' }], code: 1000 });
  });

  it('3: two hundred quick calls that end their input at once all close cleanly', async () => {
    for (let round = 0; round < 10; round++) {
      const codes = await Promise.all(Array.from({ length: 20 }, async () => {
        const client = await wsClient(gateway.wsUrl);
        client.control({ call: 'hello' });
        client.control({ signal: 'close' });
        return (await client.rest()).code;
      }));
      expect(codes).to.deep.equal(codes.map(() => 1000));
    }
    await settled(gateway, 1_000);
  });

  for (const [what, frames] of [
    ['oversize messages', [encodeFrame('binary', Buffer.alloc((1 << 20) + 1))]],
    ['unknown calls with text', [encodeFrame('text', 'early'), call('none'), encodeFrame('text', 'late'), encodeFrame('text', 'later')]],
  ] as const) {
    it(`4: a hundred ${what} leave no connection`, async () => {
      await Promise.all([rawOnce(gateway, frames), rawOnce(gateway, frames)]);
      await settled(gateway);
      const before = sockets();
      for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 10 }, () => rawOnce(gateway, frames)));
      await settled(gateway);
      await until('no descriptor stays', () => sockets() <= before);
    });
  }

  it('5: a refused subprotocol gets exactly one HTTP answer', async () => {
    const client = await rawClient(gateway.wsUrl, { headers: { 'Sec-WebSocket-Protocol': 'pow-0' }, early: call('hello') });
    expect(client.status).to.equal(400);
    const body = await client.body;
    expect(JSON.parse(body)).to.include({ status: 400, code: 'bad_request' }).with.property('message').that.contains('distillery.v2');
    expect(body).not.to.contain('HTTP/1.1');
  });

  it('6: no Close carries a code that must not be sent', async () => {
    // The parser of the raw client refuses such codes.
    const hasty = await startTestGateway('limits: { firstCallMs: 50ms }\n');
    const late = await rawClient(hasty.wsUrl);
    expect(codeOf(await late.rest())).to.equal(1008);
    await hasty.stop();
    const bare = await rawClient(gateway.wsUrl);
    bare.write(call('sleep'), encodeClose());
    expect(codeOf(await bare.rest())).to.equal(null);
  });

  it('7: a character that is printed a byte at a time arrives whole', async () => {
    const client = await wsClient(gateway.wsUrl);
    client.control({ call: 'dribble' });
    expect((await client.rest()).texts).to.deep.equal(['😀']);
  });

  it('8: a call of 100 KiB works, one of 2 MiB is told why not', async () => {
    const client = await wsClient(gateway.wsUrl);
    client.control({ call: 'length', params: ['x'.repeat(100 << 10)] });
    expect(await client.rest()).to.deep.equal({ texts: [String(100 << 10)], json: [{ success: true }], code: 1000 });
    const larger = await wsClient(gateway.wsUrl);
    larger.control({ call: 'length', params: ['x'.repeat(2 << 20)] });
    expect(await larger.rest()).to.deep.equal({ texts: [], json: [{ success: false, message: 'protocol error: message too large' }], code: 1009 });
  });

  it('9: a value that cannot be told is a failure with a reason', async () => {
    const client = await wsClient(gateway.wsUrl);
    client.control({ call: 'cyclic' });
    expect(await client.rest()).to.deep.equal({ texts: [], json: [{ success: false, message: 'result cannot be serialised' }], code: 1000 });
  });

  for (const name of ['faulty', 'faulty-later']) {
    it(`10: what a faulty call threw is in the log and in no answer (${name})`, async () => {
      const client = await rawClient(gateway.wsUrl);
      client.write(call(name));
      const heard = Buffer.concat((await answered(client)).map(({ payload }) => payload)).toString('latin1');
      expect(heard).to.contain('unknown error').and.not.to.contain(secret).and.not.to.contain('.ts');
      const record = await newestEnded(gateway);
      expect(record).to.include({ outcome: 'failed', message: 'unknown error' });
      for (const path of ['/api/v1/http/runs', `/api/v1/http/runs/${record.id}`, '/api/v1/http/status']) {
        expect(JSON.stringify(await gateway.getJson(path))).not.to.contain(secret);
      }
      expect(gateway.logged()).to.contain(secret);
    });
  }

  it('23: ten texts before the call are its first input', async () => {
    const client = await wsClient(gateway.wsUrl);
    const texts = Array.from({ length: 10 }, (_, at) => `text ${at}`);
    texts.forEach(client.text);
    client.control({ call: 'cat' });
    client.control({ signal: 'close' });
    expect(await client.rest()).to.deep.equal({ texts, json: [{ success: true }], code: 1000 });
  });

  it('24: a server that stops tells every connection so', async () => {
    const clients = await Promise.all(Array.from({ length: 12 }, () => wsClient(gateway.wsUrl)));
    clients.slice(4).forEach(({ control }) => control({ call: 'sleep' }));
    for (const { line } of clients.slice(4)) expect(await line()).to.equal('ready');
    void gateway.stop();
    for (const { rest } of clients) expect(await rest()).to.deep.equal({ texts: [], json: [{ success: false, message: 'cancelled: server is shutting down' }], code: 1001 });
  });

  it('25: eight megabytes at once come in frames within the bound, however slow the reader', async () => {
    const client = await rawClient(gateway.wsUrl);
    client.socket.pause();
    client.write(call('flood'));
    await until('the run has ended', async () => (await newestEnded(gateway)).outcome === 'succeeded');
    client.socket.resume();
    const frames = await answered(client);
    expect(frames.map(({ opcode, payload }) => [opcode, payload.length])).to.deep.equal([...Array.from({ length: 8 }, () => ['text', 1 << 20]), ['text', 3], ['binary', 16]]);
  });
});

/** Sends, hears everything, answers Close. */
async function rawOnce(gateway: TestGateway, frames: readonly Buffer[]): Promise<void> {
  const client = await rawClient(gateway.wsUrl);
  client.write(...frames);
  const heard = await answered(client);
  expect(heard.map(({ opcode }) => opcode)).to.deep.equal(['binary']);
}

/** Everything before Close, which is answered; the connection ends then. */
async function answered(client: RawClient) {
  const heard = [];
  for (let frame = await client.next(); frame !== undefined; frame = await client.next()) {
    if (frame.opcode === 'close') client.write(encodeFrame('close', frame.payload));
    else heard.push(frame);
  }
  return heard;
}

function codeOf(frames: readonly { readonly opcode: string; readonly payload: Buffer }[]): number | null {
  const close = frames.find(({ opcode }) => opcode === 'close');
  if (close === undefined) throw new Error('there was no Close');
  return close.payload.length === 0 ? null : close.payload.readUInt16BE(0);
}

