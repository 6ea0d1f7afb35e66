// Tests calls with `input: bytes` and `output: bytes` on the wire and with the client library. Nothing changes on the
// way, in either direction.

import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import { attachRun, endpoint, type Item, type OpenCall, openCall } from '../../protocol/client/client.ts';
import { expectIdle } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { seededRandom } from '../helpers/runs/test-log.ts';
import { connectRawClient } from '../helpers/websocket/raw-client.ts';
import { encodeFrame } from '../helpers/websocket/raw-frames.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

const module = fileURLToPath(new URL('../fixtures/byte-calls.ts', import.meta.url));
const yaml = `
limits: { segmentBytesMax: 64k, tailBytesMax: 4k }
modules: [${JSON.stringify(module)}]
calls:
  copy: { process: [cat], input: bytes, output: bytes }
  in: { process: [od, -An, -tx1], input: bytes }
  out: { process: [sh, -c, 'cat; printf "\\377\\000\\r\\n\\n"'], output: { as: bytes, limit: 1g } }
  both:
    output: bytes
    process: [bash, -c, 'printf "o\\377"; sleep .02; printf "e\\376" >&2; sleep .02; printf "o\\375\\n"']
  short: { process: [sh, -c, 'printf "\\377\\377\\377\\377"'], output: { as: bytes, limit: 3 } }
  lines: { process: [cat] }
`;

/** Returns random bytes of all values. */
function noise(bytes: number, seed: number): Buffer {
  const random = seededRandom(seed);
  return Buffer.from(Array.from({ length: bytes }, () => random(256)));
}

interface Collected {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly next: number | undefined;
  readonly status: string;
  readonly lines: readonly string[];
}

describe('calls that exchange bytes', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  after(() => gateway.stop());
  afterEach(() => expectIdle(gateway));

  type Connection = Parameters<typeof openCall>[0] extends infer O ? Omit<O & object, 'call'> : never;

  async function collect(open: (options: Connection) => OpenCall, bytes = true): Promise<Collected> {
    const chunks = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
    const lines: string[] = [];
    const onItem = (item: Item): void => {
      if ('bytes' in item) chunks[item.stream].push(item.bytes);
      if ('line' in item) lines.push(item.line);
    };
    const { status, next } = await open({ url: endpoint(gateway.url), socket: WebSocket, bytes, onItem }).result;
    return { stdout: Buffer.concat(chunks.stdout), stderr: Buffer.concat(chunks.stderr), next, status, lines };
  }

  function call(name: string, run: string, input: readonly (string | Uint8Array)[], bytes = true): Promise<Collected> {
    return collect((options) => {
      const opened = openCall({ ...options, call: name, run });
      void (async () => {
        for (const piece of input) await opened.write(piece);
        opened.end();
      })();
      return opened;
    }, bytes);
  }

  const attach = (run: string, cursor: { after: number } | { last: number }): Promise<Collected> =>
    collect((options) => attachRun({ ...options, run, ...cursor }));

  it('bytes pass through a call unchanged, live and from any position of the stored output', async () => {
    const sent = noise(300_000, 1);
    const pieces = Array.from({ length: 43 }, (_, i) => sent.subarray(i * 7_001, (i + 1) * 7_001));
    const live = await call('copy', 'copied', pieces);
    expect(live.stdout.equals(sent)).to.equal(true);
    expect(live).to.include({ status: 'succeeded', next: sent.length + 1 });
    for (const after of [0, 1, 65_535, 65_536, 123_457, 299_999, 300_000]) {
      const replayed = await attach('copied', { after });
      expect(replayed.stdout.equals(sent.subarray(after)), `after ${after}`).to.equal(true);
      expect(replayed.next).to.equal(sent.length + 1);
    }
    expect((await attach('copied', { last: 10 })).stdout).to.deep.equal(sent.subarray(-10));
  });

  it('a client learns the stream of every byte, from any position', async () => {
    const all = [...'oo'].map(() => 'stdout').concat('stderr', 'stderr', 'stdout', 'stdout', 'stdout');
    const live = await call('both', 'both', []);
    expect([live.stdout.toString('latin1'), live.stderr.toString('latin1')]).to.deep.equal(['o\xffo\xfd\n', 'e\xfe']);
    for (let after = 0; after <= all.length; after++) {
      const { stdout, stderr } = await attach('both', { after });
      const left = all.slice(after);
      expect([stdout.length, stderr.length], `after ${after}`).to.deep.equal([
        left.filter((stream) => stream === 'stdout').length,
        left.filter((stream) => stream === 'stderr').length,
      ]);
    }
  });

  it('a call of a module receives and returns bytes', async () => {
    const { stdout, stderr } = await call('reverse', 'reversed', [Buffer.from([1, 0xff, 0, 10])]);
    expect([stdout, stderr]).to.deep.equal([Buffer.from([10, 0, 0xff, 1]), Buffer.from([0xff, 0])]);
  });

  it('a call exchanges bytes only in the direction that it declares', async () => {
    const { lines } = await call('in', 'in-1', [Buffer.from([0xff, 0x0d])]);
    expect(lines.map((line) => line.trim())).to.deep.equal(['ff 0d']);
    expect((await call('out', 'out-1', ['text'])).stdout).to.deep.equal(Buffer.from('text\n\xff\0\r\n\n', 'latin1'));
    expect((await call('lines', 'lines-1', [Buffer.from('no newline')])).lines).to.deep.equal(['no newline']);
  });

  it('a client that does not ask for bytes exchanges lines', async () => {
    const { lines, stdout, next } = await call('copy', 'copy-2', ['eins', 'zwei'], false);
    expect({ lines, bytes: stdout.length, next }).to.deep.equal({ lines: ['eins', 'zwei'], bytes: 0, next: 3 });
    const v1 = await connectWsClient(gateway.wsUrl);
    v1.sendControl({ call: 'out' });
    v1.sendText('text');
    v1.sendControl({ signal: 'close' });
    expect((await v1.readToEnd()).texts).to.deep.equal(['text', '\ufffd\0', '']);
    const pow = await connectWsClient(gateway.wsUrl, ['pow-1']);
    pow.sendControl({ call: 'out' });
    pow.sendControl({ signal: 'close' });
    expect((await pow.readToEnd()).texts.join('')).to.equal('\ufffd\0\r\n\n');
  });

  it('the announcement names the directions, and binary frames that begin with 0 carry the bytes', async () => {
    const client = await connectRawClient(gateway.wsUrl, { headers: { 'Sec-WebSocket-Protocol': 'distillery.v2' } });
    client.write(encodeFrame('binary', Buffer.from([0, 0xfe])));
    client.sendControl({ call: 'copy', bytes: true });
    client.write(encodeFrame('binary', Buffer.from([0])), encodeFrame('binary', Buffer.from([0, 0xff, 10])));
    client.sendText('text');
    client.sendControl({ signal: 'close' });
    const data: Buffer[] = [];
    const json: Record<string, unknown>[] = [];
    for (let frame = await client.next(); frame?.opcode === 'binary'; frame = await client.next()) {
      if (frame.payload[0] === 0) data.push(frame.payload.subarray(1));
      else json.push(JSON.parse(String(frame.payload)) as Record<string, unknown>);
    }
    client.socket.destroy();
    expect(json[0]).to.have.nested.property('run.bytes').that.deep.equals(['input', 'output']);
    expect(Buffer.concat(data)).to.deep.equal(Buffer.from('\xfe\xff\ntext\n', 'latin1'));
    expect(json.filter((message) => 'input' in message).at(-1)).to.deep.equal({ input: { taken: 8 } });
    expect(json.at(-1)).to.include({ success: true, next: 9 });
  });

  it('the HTTP API returns one stream unchanged, and the run record says that the output is bytes', async () => {
    await call('both', 'both-2', []);
    const url = `${gateway.url}/api/v1/http/runs/both-2`;
    const headers = { accept: 'application/octet-stream' };
    const get = (path: string, method = 'GET'): Promise<Response> => fetch(`${url}/${path}`, { method, headers });
    const read = async (query: string): Promise<string> =>
      Buffer.from(await (await get(`lines${query}`)).arrayBuffer()).toString('latin1');
    expect(await read('')).to.equal('o\xffo\xfd\n');
    expect(await read('?stream=stderr')).to.equal('e\xfe');
    expect(await read('?after=3')).to.equal('o\xfd\n');
    expect(await read('?after=3&stream=stderr')).to.equal('\xfe');
    expect(await read('?after=99')).to.equal('');
    expect((await get('lines', 'HEAD')).status).to.equal(200);
    expect((await get('lines?stream=stdin')).status).to.equal(400);
    expect((await get('lines?limit=3')).status).to.equal(400);
    expect((await fetch(`${url}/lines?stream=stderr`)).status).to.equal(400);
    expect(await gateway.getJson('/api/v1/http/runs/both-2')).to.include({ output: 'bytes', bytes: 7 });
    await call('lines', 'lines-2', []);
    expect((await get('../lines-2/lines')).status).to.equal(400);
    expect(await gateway.getJson('/api/v1/http/calls/copy')).to.deep.include({ bytes: ['input', 'output'] });
  });

  it('the limit of the output applies to bytes as well', async () => {
    expect((await call('short', 'short', [])).stdout).to.deep.equal(Buffer.from([0xff, 0xff, 0xff]));
  });
});
