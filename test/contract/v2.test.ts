// `distillery.v2` on the wire: what it says beyond v1.

import { isUtf8 } from 'node:buffer';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { encodeFrame, type Frame } from '../helpers/frames.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { rawClient, type RawClient } from '../helpers/raw-client.ts';
import { newestEnded, settled } from '../helpers/settled.ts';
import { soon } from '../helpers/until.ts';
import { wsClient, type Heard, type WsClient } from '../helpers/ws-client.ts';

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
  before(async () => { gateway = await startTestGateway(yaml); });
  after(() => gateway.stop());
  afterEach(() => settled(gateway));

  const open = (...offered: readonly string[]): Promise<WsClient> => wsClient(gateway.wsUrl, ['distillery.v2', ...offered]);
  const raw = (): Promise<RawClient> => rawClient(gateway.wsUrl, { headers: { 'Sec-WebSocket-Protocol': 'distillery.v2' } });

  it('is spoken when it is among the offered, and the answer says so', async () => {
    const client = await wsClient(gateway.wsUrl, ['someone-elses', 'distillery.v2']);
    expect(client.ws.protocol).to.equal('distillery.v2');
    client.ws.close();
    await client.rest();
  });

  it('announces the run before all else and at each change of state, and ends with a result that tells all', async () => {
    const client = await open();
    client.control({ call: 'hello' });
    const heard = await all(client);
    const { run } = first(heard)['run'] === undefined ? { run: undefined } : first(heard) as { run: { id: string } };
    expect(run?.id).to.match(/^[a-z2-7]{16}$/);
    const id = run?.id;
    expect(json(heard).slice(0, -1)).to.deep.equal([
      ...['queued', 'running'].map((state) => ({ run: { id, call: 'hello', state, next: 1, input: true } })),
      { run: { id, call: 'hello', state: 'ended', next: 3, input: true } },
    ]);
    expect(texts(heard)).to.deep.equal(['one', 'two']);
    const { cleanup, ...result } = resultOf(heard);
    expect(result).to.deep.equal({ success: true, status: 'succeeded', exitCode: 0, next: 3 });
    expect(cleanup).to.deep.include(cleanProcess);
    expect((cleanup as { released: unknown[] }).released).to.have.length(1);
    expect(heard.at(-1)).to.deep.equal({ closed: 1000, reason: '' });
  });

  it('says in its result what the record of the run says', async () => {
    const client = await open();
    client.control({ call: 'fail' });
    const { success, status, next, ...result } = resultOf(await all(client));
    const { outcome, lines, message, exitCode, cleanup } = await newestEnded(gateway);
    expect({ success, status, next }).to.deep.equal({ success: false, status: outcome, next: lines + 1 });
    expect(result).to.deep.equal({ message, exitCode, cleanup });
    expect(exitCode).to.equal(3);
  });

  it('names the signal that ended the work', async () => {
    const client = await open();
    client.control({ call: 'fall' });
    expect(resultOf(await all(client))).to.include({ success: false, status: 'failed', signal: 'SIGKILL' }).and.not.to.have.property('exitCode');
  });

  it('carries the value of a call', async () => {
    const client = await open();
    client.control({ call: 'valued' });
    expect(resultOf(await all(client))).to.deep.include({ success: true, value: { answer: 42 } });
  });

  it('puts events between the lines where they happened', async () => {
    const client = await open();
    client.control({ call: 'eventful' });
    const heard = (await all(client)).filter((said) => 'text' in said || ('json' in said && 'event' in said.json));
    expect(heard).to.deep.equal([
      { json: { event: { seq: 1, at: 0, type: 'began', where: 'here' } } }, { text: 'one' }, { text: 'two' },
      { json: { event: { seq: 2, at: 2, type: 'halfway', of: [1, null, { é: 'ü' }] } } }, { text: 'three' },
      { json: { event: { seq: 3, at: 3, type: 'over' } } },
    ]);
  });

  it('gives credit for input, line ends included', async () => {
    const client = await open();
    client.control({ call: 'cat' });
    client.text('four');
    client.text('ünf');
    client.control({ signal: 'close' });
    const heard = await all(client);
    const credits = json(heard).flatMap((said) => ('input' in said ? [(said['input'] as { taken: number }).taken] : []));
    expect(credits.at(-1)).to.equal(10);
    expect(credits).to.deep.equal([...credits].sort((a, b) => a - b));
    expect(texts(heard)).to.deep.equal(['four', 'ünf']);
  });

  it('gives credit for input that nobody reads any more', async () => {
    const client = await open();
    client.control({ call: 'sleep' });
    await lineOf(client);
    client.control({ signal: 'cancel' });
    client.text('late');
    expect(resultOf(await all(client))).to.include({ status: 'cancelled' });
  });

  it('announces that a run is being cancelled', async () => {
    const client = await open();
    client.control({ call: 'sleep' });
    const before = await lineOf(client);
    client.control({ signal: 'cancel' });
    const heard = [...before, ...await all(client)];
    expect(statesOf(heard)).to.deep.equal(['queued', 'running', 'cancelling', 'ended']);
    const result = resultOf(heard);
    expect(result).to.deep.include({ success: false, status: 'cancelled', message: 'cancelled: client requested cancellation' });
    expect(result['cleanup']).to.deep.include(cleanProcess);
  });

  it('skips the grace at a second cancel', async () => {
    const client = await open();
    client.control({ call: 'stubborn' });
    await lineOf(client);
    client.control({ signal: 'cancel' });
    client.control({ signal: 'cancel' });
    const { status, cleanup } = resultOf(await soon('the result', all(client), 5_000));
    expect(status).to.equal('cancelled');
    expect((cleanup as { released: { how: string }[] }).released.map(({ how }) => how).join()).to.contain('SIGKILL');
  });

  it('opens a terminal of the size of the caller, and follows it', async () => {
    const client = await open();
    client.control({ call: 'size', terminal: { cols: 101, rows: 33 } });
    expect(await chunkOf(client)).to.equal('33 101\r\n');
    client.control({ signal: 'resize', cols: 64, rows: 20 });
    client.text('\r');
    expect(await chunkOf(client)).to.equal('20 64\r\n');
    client.control({ signal: 'resize', cols: 65_535, rows: 1 });
    client.text('\r');
    const heard = await all(client);
    expect(texts(heard).join('')).to.equal('1 65535\r\n');
    expect(resultOf(heard)).to.include({ success: true, next: 1 + '33 101\r\n20 64\r\n1 65535\r\n'.length });
  });

  for (const size of [{}, { cols: 0, rows: 24 }, { cols: 80, rows: 65_536 }, { cols: 80.5, rows: 24 }, { cols: '80', rows: 24 }, { cols: 80 }]) {
    it(`refuses a terminal of the size ${JSON.stringify(size)}`, async () => {
      const client = await open();
      client.control({ call: 'size', terminal: size });
      expect(await client.rest()).to.deep.include({ code: 1002, json: [{ success: false, status: 'rejected', message: 'protocol error: first message is not a call', next: 1 }] });
      const running = await open();
      running.control({ call: 'sleep' });
      running.control({ signal: 'resize', ...size });
      const { json: said, code } = await running.rest();
      expect([said.at(-1)?.['message'], code]).to.deep.equal(['protocol error: unknown control message', 1002]);
    });
  }

  it('says that a run is a terminal, and types its input as it is', async () => {
    const client = await open();
    client.control({ call: 'typed' });
    const announced = await client.next();
    expect(announced).to.have.nested.property('json.run.terminal', true);
    expect(await chunkOf(client)).to.equal('ready\r\n');
    client.text('a');
    client.text('b\r');
    expect(texts(await all(client)).join('')).to.equal('ab\r\n');
  });

  it('never cuts a character of a terminal', async () => {
    const client = await open();
    client.control({ call: 'smile' });
    const heard = await all(client);
    expect(texts(heard).filter((text) => text !== '')).to.deep.equal(['😀']);
    expect(resultOf(heard)).to.include({ next: 5 });
  });

  it('sends valid UTF-8 whatever a terminal prints, and counts the bytes that it sends', async () => {
    const client = await raw();
    client.control({ call: 'noise' });
    const frames = await finished(client);
    expect(frames.every(({ opcode, payload }) => opcode !== 'text' || isUtf8(payload))).to.equal(true);
    const bytes = frames.reduce((sum, { opcode, payload }) => sum + (opcode === 'text' ? payload.length : 0), 0);
    expect(bytes).to.be.at.least(300_000);
    expect(JSON.parse(String(frames.at(-1)?.payload))).to.include({ success: true, next: bytes + 1 });
  });

  it('gives lines of a terminal to a client of v1', async () => {
    const client = await wsClient(gateway.wsUrl);
    client.control({ call: 'typed' });
    expect(await client.line()).to.equal('ready');
    client.text('typed');
    expect(await client.rest()).to.deep.equal({ texts: ['typed'], json: [{ success: true }], code: 1000 });
  });

  it('starts the run under the id that the client chose, and refuses one that is taken', async () => {
    const client = await open();
    client.control({ call: 'hello', run: 'my-run_1' });
    expect(first(await all(client))).to.have.nested.property('run.id', 'my-run_1');
    expect(await gateway.getJson('/api/v1/http/runs/my-run_1')).to.include({ id: 'my-run_1', outcome: 'succeeded' });
    const second = await open();
    second.control({ call: 'fail', run: 'my-run_1' });
    expect(await second.rest()).to.deep.equal({ texts: [], code: 1000, json: [{ success: false, status: 'rejected', message: 'there is a run "my-run_1" already, of another call ("hello"); choose another id, or none', next: 1 }] });
    expect(await gateway.getJson('/api/v1/http/runs/my-run_1')).to.include({ call: 'hello', outcome: 'succeeded' });
  });

  for (const run of ['', '../up', 'a/b', '-dash', 'x'.repeat(65), 7, null, 'ü']) {
    it(`refuses the run id ${JSON.stringify(run).slice(0, 20)}`, async () => {
      const client = await open();
      client.control({ call: 'hello', run });
      expect((await client.rest()).code).to.equal(1002);
    });
  }

  for (const [what, message, said, code] of [
    ['an unknown call, with what may have been meant', { call: 'helo' }, 'no such call "helo"; did you mean "hello"?', 1000],
    ['too many params', { call: 'greet', params: ['a', 'b'] }, /param/, 1000],
    ['a param that is not what it must be', { call: 'greet', params: ['Ann'] }, /who/, 1000],
    ['a scope', { call: 'closed' }, 'failed to check scope: no one can do this', 1008],
  ] as const) {
    it(`tells of ${what}`, async () => {
      const client = await open();
      client.control(message);
      const { json: [result, ...more], code: closed } = await client.rest();
      expect(result).to.include({ success: false, status: 'rejected', next: 1 }).and.not.to.have.property('cleanup');
      expect(String(result?.['message'])).to.match(typeof said === 'string' ? new RegExp(said.replace(/[?.]/g, '\\$&')) : said);
      expect([more, closed]).to.deep.equal([[], code]);
    });
  }

  it('ends with the truth also after a protocol error', async () => {
    const client = await open();
    client.control({ call: 'sleep' });
    await lineOf(client);
    client.control({ call: 'sleep' });
    const heard = await all(client);
    expect(resultOf(heard)).to.deep.include({ success: false, status: 'cancelled', message: 'protocol error: call message sent twice' }).and.to.have.property('cleanup');
    expect(heard.at(-1)).to.deep.equal({ closed: 1002, reason: '' });
    expect(await newestEnded(gateway)).to.include({ outcome: 'cancelled', message: 'cancelled: protocol error: call message sent twice' });
  });
});

async function all(client: WsClient): Promise<readonly Heard[]> {
  const heard: Heard[] = [];
  for (;;) {
    const said = await client.next();
    heard.push(said);
    if ('closed' in said) return heard;
  }
}

/** Everything up to the first line. */
async function lineOf(client: WsClient): Promise<readonly Heard[]> {
  const heard: Heard[] = [];
  for (let said = await client.next(); ; said = await client.next()) {
    heard.push(said);
    if ('text' in said) return heard;
    if ('closed' in said) throw new Error('no line came');
  }
}

/** Output of a terminal up to the next line end. */
async function chunkOf(client: WsClient): Promise<string> {
  let text = '';
  while (!text.endsWith('\n')) text += ((await lineOf(client)).at(-1) as { text: string }).text;
  return text;
}

async function finished(client: RawClient): Promise<readonly Frame[]> {
  const frames: Frame[] = [];
  for (let frame = await client.next(); frame !== undefined; frame = await client.next()) {
    if (frame.opcode === 'close') client.write(encodeFrame('close', frame.payload)); else frames.push(frame);
  }
  return frames;
}

const json = (heard: readonly Heard[]) => heard.flatMap((said) => ('json' in said ? [said.json] : []));
const texts = (heard: readonly Heard[]) => heard.flatMap((said) => ('text' in said ? [said.text] : []));
const first = (heard: readonly Heard[]) => json(heard)[0] ?? {};
const statesOf = (heard: readonly Heard[]) => json(heard).flatMap((said) => ('run' in said ? [(said['run'] as { state: string }).state] : []));

/** The one result, which is the last message. */
function resultOf(heard: readonly Heard[]): Readonly<Record<string, unknown>> {
  const results = json(heard).filter((said) => 'success' in said);
  expect(results).to.have.length(1);
  expect(heard.at(-2)).to.deep.equal({ json: results[0] });
  return results[0]!;
}
