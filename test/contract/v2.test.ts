// Tests what `distillery.v2` has beyond v1, on the wire.

import { isUtf8 } from 'node:buffer';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { newId } from '../../server/runs/id.ts';
import { expectIdle, waitForNewestRun } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { withDeadline } from '../helpers/wait-until.ts';
import { connectRawClient, type RawClient } from '../helpers/websocket/raw-client.ts';
import { encodeFrame, type Frame } from '../helpers/websocket/raw-frames.ts';
import { connectWsClient, type ReceivedMessage, type WsClient } from '../helpers/websocket/ws-client.ts';

const module = fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url));
const yaml = `
modules: [${JSON.stringify(module)}]
calls:
  hello: { process: [printf, 'one\\ntwo\\n'] }
  cat: { process: [cat] }
  sleep: { process: [sh, -c, 'echo ready; exec sleep 60'] }
  stubborn: { process: [sh, -c, "trap '' TERM; echo ready; while :; do sleep 0.05; done"], stop: { grace: 20s } }
  fail: { process: [sh, -c, 'exit 3'] }
  fall: { process: [sh, -c, 'kill -9 $$'] }
  greet: { params: [{ name: who, schema: { type: string, pattern: "^[a-z]+$" } }], process: [echo, "\${who}"] }
  closed: { process: [echo], scope: never }
  size: { terminal: [sh, -c, 'stty -echo; stty size; read line; stty size; read line; stty size'] }
  smile: { terminal: [sh, -c, 'for b in "\\\\360" "\\\\237" "\\\\230" "\\\\200"; do printf $b; sleep 0.01; done'] }
  noise: { terminal: [sh, -c, 'stty raw; head -c 300000 /dev/urandom'] }
  typed: { terminal: [sh, -c, 'stty -echo; echo ready; head -n 1'] }
`;

const cleanProcess = { clean: true, left: [] };

describe('distillery.v2', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  after(() => gateway.stop());
  afterEach(() => expectIdle(gateway));

  const connectClient = (...offered: readonly string[]): Promise<WsClient> =>
    connectWsClient(gateway.wsUrl, ['distillery.v2', ...offered]);
  const connectRaw = (): Promise<RawClient> =>
    connectRawClient(gateway.wsUrl, { headers: { 'Sec-WebSocket-Protocol': 'distillery.v2' } });

  it('v2 is chosen if the client offers it, and the response names it', async () => {
    const client = await connectWsClient(gateway.wsUrl, ['someone-elses', 'distillery.v2']);
    expect(client.ws.protocol).to.equal('distillery.v2');
    client.ws.close();
    await client.readToEnd();
  });

  it('v2 announces the run first and at each state change, and ends with a detailed result', async () => {
    const client = await connectClient();
    client.sendControl({ call: 'hello' });
    const received = await readAll(client);
    const { run } =
      firstJson(received)['run'] === undefined ? { run: undefined } : (firstJson(received) as { run: { id: string } });
    expect(run?.id).to.match(/^[a-z2-7]{16}$/);
    const id = run?.id;
    expect(jsonMessages(received).slice(0, -1)).to.deep.equal([
      ...['queued', 'running'].map((state) => ({ run: { id, call: 'hello', state, next: 1, input: true } })),
      { run: { id, call: 'hello', state: 'ended', next: 3, input: true } },
    ]);
    expect(textMessages(received)).to.deep.equal(['one', 'two']);
    const { cleanup, ...result } = findResult(received);
    expect(result).to.deep.equal({ success: true, status: 'succeeded', exitCode: 0, next: 3 });
    expect(cleanup).to.deep.include(cleanProcess);
    expect((cleanup as { released: unknown[] }).released).to.have.length(1);
    expect(received.at(-1)).to.deep.equal({ closed: 1000, reason: '' });
  });

  it('the v2 result agrees with the run record', async () => {
    const client = await connectClient();
    client.sendControl({ call: 'fail' });
    const { success, status, next, ...result } = findResult(await readAll(client));
    const { outcome, lines, message, exitCode, cleanup } = await waitForNewestRun(gateway);
    expect({ success, status, next }).to.deep.equal({ success: false, status: outcome, next: lines + 1 });
    expect(result).to.deep.equal({ message, exitCode, cleanup });
    expect(exitCode).to.equal(3);
  });

  it('the v2 result names the signal that ended the work', async () => {
    const client = await connectClient();
    client.sendControl({ call: 'fall' });
    expect(findResult(await readAll(client)))
      .to.include({ success: false, status: 'failed', signal: 'SIGKILL' })
      .and.not.to.have.property('exitCode');
  });

  it('the v2 result carries the value of a call', async () => {
    const client = await connectClient();
    client.sendControl({ call: 'valued' });
    expect(findResult(await readAll(client))).to.deep.include({ success: true, value: { answer: 42 } });
  });

  it('v2 sends events between the lines where they happened', async () => {
    const client = await connectClient();
    client.sendControl({ call: 'eventful' });
    const received = (await readAll(client)).filter(
      (message) => 'text' in message || ('json' in message && 'event' in message.json),
    );
    expect(received).to.deep.equal([
      { json: { event: { seq: 1, at: 0, type: 'began', where: 'here' } } },
      { text: 'one' },
      { text: 'two' },
      { json: { event: { seq: 2, at: 2, type: 'halfway', of: [1, null, { é: 'ü' }] } } },
      { text: 'three' },
      { json: { event: { seq: 3, at: 3, type: 'over' } } },
    ]);
  });

  it('v2 grants credit for input, including line terminators', async () => {
    const client = await connectClient();
    client.sendControl({ call: 'cat' });
    client.sendText('four');
    client.sendText('ünf');
    client.sendControl({ signal: 'close' });
    const received = await readAll(client);
    const credits = jsonMessages(received).flatMap((message) =>
      'input' in message ? [(message['input'] as { taken: number }).taken] : [],
    );
    expect(credits.at(-1)).to.equal(10);
    expect(credits).to.deep.equal([...credits].sort((a, b) => a - b));
    expect(textMessages(received)).to.deep.equal(['four', 'ünf']);
  });

  it('v2 cancels a run although input arrives after the cancel', async () => {
    const client = await connectClient();
    client.sendControl({ call: 'sleep' });
    await readUntilLine(client);
    client.sendControl({ signal: 'cancel' });
    client.sendText('late');
    expect(findResult(await readAll(client))).to.include({ status: 'cancelled' });
  });

  it('v2 announces that a run is being cancelled', async () => {
    const client = await connectClient();
    client.sendControl({ call: 'sleep' });
    const before = await readUntilLine(client);
    client.sendControl({ signal: 'cancel' });
    const received = [...before, ...(await readAll(client))];
    expect(announcedStates(received)).to.deep.equal(['queued', 'running', 'cancelling', 'ended']);
    const result = findResult(received);
    expect(result).to.deep.include({
      success: false,
      status: 'cancelled',
      message: 'cancelled: client requested cancellation',
    });
    expect(result['cleanup']).to.deep.include(cleanProcess);
  });

  it('a second cancel in v2 skips the grace', async () => {
    const client = await connectClient();
    client.sendControl({ call: 'stubborn' });
    await readUntilLine(client);
    client.sendControl({ signal: 'cancel' });
    client.sendControl({ signal: 'cancel' });
    const { status, cleanup } = findResult(await withDeadline('the result', readAll(client), 5_000));
    expect(status).to.equal('cancelled');
    expect((cleanup as { released: { how: string }[] }).released.map(({ how }) => how).join()).to.contain('SIGKILL');
  });

  it("v2 opens a terminal of the caller's size and follows its changes", async () => {
    const client = await connectClient();
    client.sendControl({ call: 'size', terminal: { cols: 101, rows: 33 } });
    expect(await readChunk(client)).to.equal('33 101\r\n');
    client.sendControl({ signal: 'resize', cols: 64, rows: 20 });
    client.sendText('\r');
    expect(await readChunk(client)).to.equal('20 64\r\n');
    client.sendControl({ signal: 'resize', cols: 65_535, rows: 1 });
    client.sendText('\r');
    const received = await readAll(client);
    expect(textMessages(received).join('')).to.equal('1 65535\r\n');
    expect(findResult(received)).to.include({ success: true, next: 1 + '33 101\r\n20 64\r\n1 65535\r\n'.length });
  });

  for (const size of [
    {},
    { cols: 0, rows: 24 },
    { cols: 80, rows: 65_536 },
    { cols: 80.5, rows: 24 },
    { cols: '80', rows: 24 },
    { cols: 80 },
  ]) {
    it(`v2 rejects the terminal size ${JSON.stringify(size)}`, async () => {
      const client = await connectClient();
      client.sendControl({ call: 'size', terminal: size });
      expect(await client.readToEnd()).to.deep.include({
        code: 1002,
        json: [{ success: false, status: 'rejected', message: 'protocol error: first message is not a call', next: 1 }],
      });
    });
  }

  for (const size of [
    { cols: null, rows: 24 },
    {},
    { cols: 0, rows: 24 },
    { cols: 80, rows: -1 },
    { cols: 80, rows: 65_536 },
    { cols: 80.5, rows: 24 },
    { cols: '80', rows: 24 },
    { cols: [80], rows: { rows: 24 } },
    { cols: 80 },
  ]) {
    it(`W1: the terminal keeps its size after a resize to ${JSON.stringify(size)}, and the run continues`, async () => {
      const client = await connectClient();
      client.sendControl({ call: 'size', terminal: { cols: 101, rows: 33 } });
      expect(await readChunk(client)).to.equal('33 101\r\n');
      client.sendControl({ signal: 'resize', ...size });
      client.sendText('\r');
      expect(await readChunk(client)).to.equal('33 101\r\n');
      client.sendText('\r');
      const received = await readAll(client);
      expect(findResult(received)).to.include({ success: true, status: 'succeeded' });
      expect(received.at(-1)).to.deep.equal({ closed: 1000, reason: '' });
    });

    it(`W1: a resize to ${JSON.stringify(size)} causes a notice, also for a watcher`, async () => {
      const owner = await connectClient();
      owner.sendControl({ call: 'sleep', run: newId() });
      const run = (await owner.next()) as { json: { run: { id: string } } };
      const watcher = await connectClient();
      watcher.sendControl({ attach: run.json.run.id });
      for (const client of [owner, watcher]) {
        await readUntilLine(client);
        client.sendControl({ signal: 'resize', ...size });
        expect(await client.next()).to.deep.equal({
          json: {
            notice: {
              code: 'invalid-size',
              message: 'the terminal keeps its size: cols and rows must be whole numbers from 1 to 65535',
            },
          },
        });
      }
      watcher.ws.close();
      owner.sendControl({ signal: 'cancel' });
      expect(findResult(await readAll(owner))).to.include({ status: 'cancelled' });
    });
  }

  it('v2 marks a terminal and passes its input on unchanged', async () => {
    const client = await connectClient();
    client.sendControl({ call: 'typed' });
    const announced = await client.next();
    expect(announced).to.have.nested.property('json.run.terminal', true);
    expect(await readChunk(client)).to.equal('ready\r\n');
    client.sendText('a');
    client.sendText('b\r');
    expect(textMessages(await readAll(client)).join('')).to.equal('ab\r\n');
  });

  it('v2 never splits a character of a terminal', async () => {
    const client = await connectClient();
    client.sendControl({ call: 'smile' });
    const received = await readAll(client);
    expect(textMessages(received).filter((text) => text !== '')).to.deep.equal(['😀']);
    expect(findResult(received)).to.include({ next: 5 });
  });

  it('v2 sends valid UTF-8 for any terminal output and counts the bytes it sends', async () => {
    const client = await connectRaw();
    client.sendControl({ call: 'noise' });
    const frames = await readFrames(client);
    expect(frames.every(({ opcode, payload }) => opcode !== 'text' || isUtf8(payload))).to.equal(true);
    const bytes = frames.reduce((sum, { opcode, payload }) => sum + (opcode === 'text' ? payload.length : 0), 0);
    expect(bytes).to.be.at.least(300_000);
    expect(JSON.parse(String(frames.at(-1)?.payload))).to.include({ success: true, next: bytes + 1 });
  });

  it('a v1 client receives a terminal as lines', async () => {
    const client = await connectWsClient(gateway.wsUrl);
    client.sendControl({ call: 'typed' });
    expect(await client.nextLine()).to.equal('ready');
    client.sendText('typed');
    expect(await client.readToEnd()).to.deep.equal({ texts: ['typed'], json: [{ success: true }], code: 1000 });
  });

  it('v2 starts a run under the id that the client chose, and rejects an id in use', async () => {
    const client = await connectClient();
    client.sendControl({ call: 'hello', run: 'my-run_1' });
    expect(firstJson(await readAll(client))).to.have.nested.property('run.id', 'my-run_1');
    expect(await gateway.getJson('/api/v1/http/runs/my-run_1')).to.include({ id: 'my-run_1', outcome: 'succeeded' });
    const second = await connectClient();
    second.sendControl({ call: 'fail', run: 'my-run_1' });
    expect(await second.readToEnd()).to.deep.equal({
      texts: [],
      code: 1000,
      json: [
        {
          success: false,
          status: 'rejected',
          message: 'there is a run "my-run_1" already, of another call ("hello"); choose another id, or omit it',
          next: 1,
        },
      ],
    });
    expect(await gateway.getJson('/api/v1/http/runs/my-run_1')).to.include({ call: 'hello', outcome: 'succeeded' });
  });

  for (const run of ['', '../up', 'a/b', '-dash', 'x'.repeat(65), 7, null, 'ü']) {
    it(`v2 rejects the run id ${JSON.stringify(run).slice(0, 20)}`, async () => {
      const client = await connectClient();
      client.sendControl({ call: 'hello', run });
      expect((await client.readToEnd()).code).to.equal(1002);
    });
  }

  for (const [what, message, expected, code] of [
    ['an unknown call, with a suggestion', { call: 'helo' }, 'no such call "helo"; did you mean "hello"?', 1000],
    ['too many params', { call: 'greet', params: ['a', 'b'] }, /param/, 1000],
    ['an invalid param', { call: 'greet', params: ['Ann'] }, /who/, 1000],
    ['a scope', { call: 'closed' }, 'failed to check scope: no one can do this', 1008],
  ] as const) {
    it(`v2 reports ${what}`, async () => {
      const client = await connectClient();
      client.sendControl(message);
      const {
        json: [result, ...more],
        code: closed,
      } = await client.readToEnd();
      expect(result).to.include({ success: false, status: 'rejected', next: 1 }).and.not.to.have.property('cleanup');
      expect(String(result?.['message'])).to.match(
        typeof expected === 'string' ? new RegExp(expected.replace(/[?.]/g, '\\$&')) : expected,
      );
      expect([more, closed]).to.deep.equal([[], code]);
    });
  }

  it('v2 reports the outcome after a protocol error', async () => {
    const client = await connectClient();
    client.sendControl({ call: 'sleep' });
    await readUntilLine(client);
    client.sendControl({ call: 'sleep' });
    const received = await readAll(client);
    expect(findResult(received))
      .to.deep.include({ success: false, status: 'cancelled', message: 'protocol error: call message sent twice' })
      .and.to.have.property('cleanup');
    expect(received.at(-1)).to.deep.equal({ closed: 1002, reason: '' });
    expect(await waitForNewestRun(gateway)).to.include({
      outcome: 'cancelled',
      message: 'cancelled: protocol error: call message sent twice',
    });
  });
});

async function readAll(client: WsClient): Promise<readonly ReceivedMessage[]> {
  const received: ReceivedMessage[] = [];
  for (;;) {
    const message = await client.next();
    received.push(message);
    if ('closed' in message) return received;
  }
}

/** Returns everything up to the first line. */
async function readUntilLine(client: WsClient): Promise<readonly ReceivedMessage[]> {
  const received: ReceivedMessage[] = [];
  for (let message = await client.next(); ; message = await client.next()) {
    received.push(message);
    if ('text' in message) return received;
    if ('closed' in message) throw new Error('no line came');
  }
}

/** Returns the output of a terminal up to the next newline. */
async function readChunk(client: WsClient): Promise<string> {
  let text = '';
  while (!text.endsWith('\n')) text += ((await readUntilLine(client)).at(-1) as { text: string }).text;
  return text;
}

async function readFrames(client: RawClient): Promise<readonly Frame[]> {
  const frames: Frame[] = [];
  for (let frame = await client.next(); frame !== undefined; frame = await client.next()) {
    if (frame.opcode === 'close') client.write(encodeFrame('close', frame.payload));
    else frames.push(frame);
  }
  return frames;
}

const jsonMessages = (received: readonly ReceivedMessage[]) =>
  received.flatMap((message) => ('json' in message ? [message.json] : []));
const textMessages = (received: readonly ReceivedMessage[]) =>
  received.flatMap((message) => ('text' in message ? [message.text] : []));
const firstJson = (received: readonly ReceivedMessage[]) => jsonMessages(received)[0] ?? {};
const announcedStates = (received: readonly ReceivedMessage[]) =>
  jsonMessages(received).flatMap((message) => ('run' in message ? [(message['run'] as { state: string }).state] : []));

/** Returns the one result, which is the last message. */
function findResult(received: readonly ReceivedMessage[]): Readonly<Record<string, unknown>> {
  const results = jsonMessages(received).filter((message) => 'success' in message);
  expect(results).to.have.length(1);
  expect(received.at(-2)).to.deep.equal({ json: results[0] });
  return results[0]!;
}
