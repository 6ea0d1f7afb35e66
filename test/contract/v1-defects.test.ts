// Shows that the gateway has none of the defects of the first server of this protocol. The numbers are those of
// upstream-defects.test.ts.

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { secret } from '../fixtures/misbehaving-calls.ts';
import { expectIdle, waitForNewestRun } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { waitUntil, withDeadline } from '../helpers/wait-until.ts';
import { connectRawClient, type RawClient } from '../helpers/websocket/raw-client.ts';
import { encodeClose, encodeFrame, type Frame } from '../helpers/websocket/raw-frames.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

const module = fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url));
const yaml = `
modules: [${JSON.stringify(module)}]
limits: { graceMs: 1s }
calls:
  cat: { process: [cat] }
  sleep: { process: [sh, -c, 'echo ready; exec sleep 60'] }
  hello: { process: [echo, hello] }
  dribble:
    process: [sh, -c, 'for b in "\\\\360" "\\\\237" "\\\\230" "\\\\200" "\\\\n"; do printf $b; sleep 0.01; done']
  flood: { process: [sh, -c, 'head -c 8388608 /dev/zero; echo; echo end'] }
  length: { params: [{ name: text }], process: [sh, -c, 'printf %s "$1" | wc -c', length, "\${text}"] }
`;

const openFileCount = (): number => readdirSync('/proc/self/fd').length;
const encodeCall = (name: string): Buffer => encodeFrame('binary', JSON.stringify({ call: name }));

describe('defects of the first server of this protocol', () => {
  let gateway: TestGateway;
  beforeEach(async () => {
    gateway = await startTestGateway(yaml);
  });
  afterEach(() => gateway.stop());

  it('defect 1: a cancel reaches the call', async () => {
    const client = await connectWsClient(gateway.wsUrl);
    client.sendControl({ call: 'sleep' });
    expect(await client.nextLine()).to.equal('ready');
    client.sendControl({ signal: 'cancel' });
    expect((await withDeadline('the result', client.readToEnd(), 2_000)).json).to.deep.equal([
      { success: false, message: 'cancelled: client requested cancellation' },
    ]);
    await expectIdle(gateway);
  });

  it('defect 1: a disconnect reaches the call', async () => {
    const client = await connectWsClient(gateway.wsUrl);
    client.sendControl({ call: 'sleep' });
    expect(await client.nextLine()).to.equal('ready');
    client.ws.terminate();
    await expectIdle(gateway, 2_000);
    expect(await waitForNewestRun(gateway)).to.deep.include({
      outcome: 'cancelled',
      message: 'cancelled: client disconnected',
    });
  });

  it('defect 2: a thousand unread input frames do not delay a cancel', async () => {
    const client = await connectWsClient(gateway.wsUrl);
    client.sendControl({ call: 'sleep' });
    for (let count = 0; count < 1000; count++) client.sendText(`frame ${count}`);
    client.sendControl({ signal: 'cancel' });
    const { json, code } = await withDeadline('the result', client.readToEnd(), 2_000);
    expect({ json, code }).to.deep.equal({
      json: [{ success: false, message: 'cancelled: client requested cancellation' }],
      code: 1000,
    });
  });

  it('defect 3: two hundred short calls that end their input at once all close cleanly', async () => {
    for (let round = 0; round < 10; round++) {
      const codes = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const client = await connectWsClient(gateway.wsUrl);
          client.sendControl({ call: 'hello' });
          client.sendControl({ signal: 'close' });
          return (await client.readToEnd()).code;
        }),
      );
      expect(codes).to.deep.equal(codes.map(() => 1000));
    }
    await expectIdle(gateway, 1_000);
  });

  for (const [what, frames] of [
    ['oversize messages', [encodeFrame('binary', Buffer.alloc((1 << 20) + 1))]],
    [
      'unknown calls with text',
      [encodeFrame('text', 'early'), encodeCall('none'), encodeFrame('text', 'late'), encodeFrame('text', 'later')],
    ],
  ] as const) {
    it(`defect 4: a hundred ${what} leave no connection open`, async () => {
      await Promise.all([sendFrames(gateway, frames), sendFrames(gateway, frames)]);
      await expectIdle(gateway);
      const before = openFileCount();
      for (let round = 0; round < 10; round++)
        await Promise.all(Array.from({ length: 10 }, () => sendFrames(gateway, frames)));
      await expectIdle(gateway);
      await waitUntil('no descriptor stays open', () => openFileCount() <= before);
    });
  }

  it('defect 5: a rejected subprotocol gets exactly one HTTP response', async () => {
    const client = await connectRawClient(gateway.wsUrl, {
      headers: { 'Sec-WebSocket-Protocol': 'pow-0' },
      early: encodeCall('hello'),
    });
    expect(client.status).to.equal(400);
    const body = await client.body;
    expect(JSON.parse(body))
      .to.include({ status: 400, code: 'bad_request' })
      .with.property('message')
      .that.contains('distillery.v2');
    expect(body).not.to.contain('HTTP/1.1');
  });

  it('defect 6: no Close has a code that must not be sent', async () => {
    // The parser of the raw client rejects codes that must not be sent.
    const shortTimeoutGateway = await startTestGateway('limits: { firstCallMs: 50ms }\n');
    const late = await connectRawClient(shortTimeoutGateway.wsUrl);
    expect(closeCode(await late.readToEnd())).to.equal(1008);
    await shortTimeoutGateway.stop();
    const client = await connectRawClient(gateway.wsUrl);
    client.write(encodeCall('sleep'), encodeClose());
    expect(closeCode(await client.readToEnd())).to.equal(null);
  });

  it('defect 7: a character printed byte by byte arrives whole', async () => {
    const client = await connectWsClient(gateway.wsUrl);
    client.sendControl({ call: 'dribble' });
    expect((await client.readToEnd()).texts).to.deep.equal(['😀']);
  });

  it('defect 8: a call of 100 KiB works, and a call of 2 MiB is rejected with a reason', async () => {
    const client = await connectWsClient(gateway.wsUrl);
    client.sendControl({ call: 'length', params: ['x'.repeat(100 << 10)] });
    expect(await client.readToEnd()).to.deep.equal({
      texts: [String(100 << 10)],
      json: [{ success: true }],
      code: 1000,
    });
    const larger = await connectWsClient(gateway.wsUrl);
    larger.sendControl({ call: 'length', params: ['x'.repeat(2 << 20)] });
    expect(await larger.readToEnd()).to.deep.equal({
      texts: [],
      json: [{ success: false, message: 'protocol error: message too large' }],
      code: 1009,
    });
  });

  it('defect 9: a call whose value cannot be written as JSON fails with a reason', async () => {
    const client = await connectWsClient(gateway.wsUrl);
    client.sendControl({ call: 'cyclic' });
    expect(await client.readToEnd()).to.deep.equal({
      texts: [],
      json: [{ success: false, message: 'result cannot be serialised' }],
      code: 1000,
    });
  });

  for (const name of ['faulty', 'faulty-later']) {
    it(`defect 10: an exception of a call is in the log and in no response (${name})`, async () => {
      const client = await connectRawClient(gateway.wsUrl);
      client.write(encodeCall(name));
      const received = Buffer.concat((await readUntilClose(client)).map(({ payload }) => payload)).toString('latin1');
      expect(received).to.contain('unknown error').and.not.to.contain(secret).and.not.to.contain('.ts');
      const record = await waitForNewestRun(gateway);
      expect(record).to.include({ outcome: 'failed', message: 'unknown error' });
      for (const path of ['/api/v1/http/runs', `/api/v1/http/runs/${record.id}`, '/api/v1/http/status']) {
        expect(JSON.stringify(await gateway.getJson(path))).not.to.contain(secret);
      }
      expect(gateway.logText()).to.contain(secret);
    });
  }

  it('defect 23: ten texts before the call are its first input', async () => {
    const client = await connectWsClient(gateway.wsUrl);
    const texts = Array.from({ length: 10 }, (_, at) => `text ${at}`);
    texts.forEach(client.sendText);
    client.sendControl({ call: 'cat' });
    client.sendControl({ signal: 'close' });
    expect(await client.readToEnd()).to.deep.equal({ texts, json: [{ success: true }], code: 1000 });
  });

  it('defect 24: every connection is informed that the server stops', async () => {
    const clients = await Promise.all(Array.from({ length: 12 }, () => connectWsClient(gateway.wsUrl)));
    clients.slice(4).forEach(({ sendControl }) => {
      sendControl({ call: 'sleep' });
    });
    for (const { nextLine } of clients.slice(4)) expect(await nextLine()).to.equal('ready');
    void gateway.stop();
    for (const { readToEnd } of clients)
      expect(await readToEnd()).to.deep.equal({
        texts: [],
        json: [{ success: false, message: 'cancelled: server is shutting down' }],
        code: 1001,
      });
  });

  it('defect 25: 8 MiB arrive in frames within the limit, whatever the speed of the reader', async () => {
    const client = await connectRawClient(gateway.wsUrl);
    client.socket.pause();
    client.write(encodeCall('flood'));
    await waitUntil('the run has ended', async () => (await waitForNewestRun(gateway)).outcome === 'succeeded');
    client.socket.resume();
    const frames = await readUntilClose(client);
    expect(frames.map(({ opcode, payload }) => [opcode, payload.length])).to.deep.equal([
      ...Array.from({ length: 8 }, () => ['text', 1 << 20]),
      ['text', 3],
      ['binary', 16],
    ]);
  });
});

/** Sends frames and answers Close. Checks that only one binary frame arrives before Close. */
async function sendFrames(gateway: TestGateway, frames: readonly Buffer[]): Promise<void> {
  const client = await connectRawClient(gateway.wsUrl);
  client.write(...frames);
  const received = await readUntilClose(client);
  expect(received.map(({ opcode }) => opcode)).to.deep.equal(['binary']);
}

/** Answers Close, and returns the frames before it. */
async function readUntilClose(client: RawClient) {
  const received: Frame[] = [];
  for (let frame = await client.next(); frame !== undefined; frame = await client.next()) {
    if (frame.opcode === 'close') client.write(encodeFrame('close', frame.payload));
    else received.push(frame);
  }
  return received;
}

function closeCode(frames: readonly { readonly opcode: string; readonly payload: Buffer }[]): number | null {
  const close = frames.find(({ opcode }) => opcode === 'close');
  if (close === undefined) throw new Error('there was no Close');
  return close.payload.length === 0 ? null : close.payload.readUInt16BE(0);
}
