// Thousands of conversations made at random, the same ones every time: each ends with exactly one result, or because the client left.

import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { encodeClose, encodeFrame, type Frame } from '../helpers/frames.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { rawClient, type RawClient } from '../helpers/raw-client.ts';
import { newestRuns, settled, statusOf } from '../helpers/settled.ts';
import { soon } from '../helpers/until.ts';

const module = fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url));
const yaml = `
modules: [${JSON.stringify(module)}]
limits: { firstCallMs: 400ms, closeMs: 300ms, graceMs: 300ms, messageBytesMax: 4096, heldFramesMax: 8, heldBytesMax: 4096, inputBytesMax: 8192, lineBytesMax: 256 }
calls:
  cat: { process: [cat] }
  stubborn: { process: [sh, -c, "trap '' TERM; while :; do sleep 0.05; done"] }
  shell: { terminal: [cat] }
`;

const conversations = 3_000;
const atOnce = 24;

describe('conversations at random', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => { gateway = await startTestGateway(yaml); });
  after(() => gateway.stop());

  for (const dialect of ['v1', 'distillery.v2'] as const) {
    it(`end with one result each (${dialect})`, async () => {
      const seeds = Array.from({ length: conversations / 2 }, (_, at) => at + 1);
      await Promise.all(Array.from({ length: atOnce }, async () => {
        for (let seed = seeds.pop(); seed !== undefined; seed = seeds.pop()) await converse(gateway, seed, dialect);
      }));
      await settled(gateway);
      expect((await statusOf(gateway)).sessions).to.equal(0);
      const runs = await newestRuns(gateway, 500);
      expect(runs.filter(({ outcome, cleanup }) => outcome === undefined || cleanup?.clean !== true)).to.deep.equal([]);
      const faults = gateway.logged().split('\n').filter((line) => line.startsWith('error') && !line.includes('a mistake of ours'));
      expect(faults).to.deep.equal([]);
    });
  }
});

type Dialect = 'v1' | 'distillery.v2';

/** What the client did that leaves it without a claim to a result. */
interface Said {
  readonly bytes: Buffer;
  readonly leaves?: true;
  /** What follows may be taken for a part of it. */
  readonly tears?: true;
}

async function converse(gateway: TestGateway, seed: number, dialect: Dialect): Promise<void> {
  const random = randomFrom(seed * 2 + (dialect === 'v1' ? 0 : 1));
  const headers = dialect === 'v1' ? {} : { 'Sec-WebSocket-Protocol': dialect };
  // Without a call there is little to get wrong.
  const script = [...(random(10) < 7 ? [call(random)] : []), ...Array.from({ length: 1 + random(8) }, () => something(random))];
  const client = await rawClient(gateway.wsUrl, { headers });
  const context = `seed ${seed} of ${dialect}`;
  try {
    const hearing = soon(`the end of ${context}`, hear(client), 15_000);
    await speak(client, script, random);
    judge(await hearing, { script, dialect, context });
  } catch (error) {
    throw new Error(`${context}: ${script.map(({ bytes }) => bytes.subarray(0, 60).toString('hex')).join(' ')}: ${String(error)}`, { cause: error });
  } finally {
    client.socket.destroy();
  }
}

/** Whole, or in pieces as a network would make them; and at the end what brings a conversation to its end. */
async function speak(client: RawClient, script: readonly Said[], random: Random): Promise<void> {
  const leaves = script.some((said) => said.leaves ?? said.tears);
  const last = leaves ? encodeClose(1000) : encodeFrame('binary', '{"signal":"cancel"}');
  let bytes = Buffer.concat([...script.map((said) => said.bytes), last]);
  while (bytes.length > 0) {
    const size = random(4) === 0 ? bytes.length : 1 + random(200);
    client.write(bytes.subarray(0, size));
    bytes = bytes.subarray(size);
    if (random(3) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  if (!leaves) return;
  if (random(3) === 0) client.socket.destroy(); else client.socket.end();
}

/** Everything up to the end of the connection; Close is answered. */
async function hear(client: RawClient): Promise<readonly Frame[]> {
  const frames: Frame[] = [];
  for (let frame = await client.next(); frame !== undefined; frame = await client.next()) {
    frames.push(frame);
    if (frame.opcode === 'close' && !client.socket.writableEnded) client.write(encodeFrame('close', frame.payload));
  }
  return frames;
}

function judge(frames: readonly Frame[], { script, dialect, context }: { script: readonly Said[]; dialect: Dialect; context: string }): void {
  const said = frames.flatMap(({ opcode, payload }) => (opcode === 'binary' ? [JSON.parse(payload.toString()) as Readonly<Record<string, unknown>>] : []));
  const results = said.filter((message) => 'success' in message);
  const left = script.some(({ leaves, tears }) => leaves ?? tears);
  if (left) expect(results.length, context).to.be.at.most(1);
  else expect(results.length, context).to.equal(1);
  for (const result of results) {
    if (dialect === 'v1') expect(Object.keys(result).join()).to.match(/^success(,message)?$/);
    else expect(result).to.include.all.keys('success', 'status', 'next');
  }
  if (left) return;
  expect(frames.slice(-2).map(({ opcode }) => opcode), context).to.deep.equal(['binary', 'close']);
  expect(frames.at(-1)?.payload.length, context).to.equal(2);
}

type Random = (below: number) => number;

/** Mulberry32, by Tommy Ettinger, in the public domain. */
function randomFrom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const json = (message: unknown): Said => ({ bytes: encodeFrame('binary', JSON.stringify(message)) });
const pick = <T>(random: Random, from: readonly T[]): T => from[random(from.length)]!;
const noise = (random: Random, length: number): Buffer => Buffer.from(Array.from({ length }, () => random(256)));

const codeCalls = ['mirror', 'patient', 'eventful', 'valued', 'faulty', 'apologetic', 'cyclic'];
const startedCalls = ['cat', 'shell', 'stubborn'];

const makers: readonly ((random: Random) => Said)[] = [
  call,
  (random) => json({ call: random(30) === 0 ? pick(random, startedCalls) : 'mirror', params: [], terminal: { cols: 1 + random(300), rows: 24 } }),
  () => json({ signal: 'cancel' }),
  () => json({ signal: 'close' }),
  (random) => json({ signal: 'resize', cols: random(100), rows: 24 }),
  (random) => json(pick(random, [{}, [], null, 7, { call: 7 }, { call: 'none' }, { signal: 'none' }, { call: 'valued', params: ['a'] }])),
  feed, feed,
  (random) => ({ bytes: Buffer.concat(Array.from({ length: random(20) }, (_, at) => encodeFrame('text', `line ${at}`))) }),
  (random) => ({ bytes: encodeFrame('text', 'x'.repeat(random(5000))) }),
  (random) => ({ bytes: encodeFrame('text', noise(random, random(50))) }),
  (random) => ({ bytes: encodeFrame('binary', noise(random, random(50))) }),
  (random) => ({ bytes: encodeFrame(pick(random, ['ping', 'pong'] as const), noise(random, random(126))) }),
  fragments,
  (random) => ({ bytes: encodeFrame(pick(random, ['text', 'ping', 'continuation'] as const), 'x', { masked: random(2) === 0, fin: random(2) === 0 }), tears: true }),
  (random) => (random(4) === 0 ? { bytes: noise(random, 1 + random(40)), tears: true } : feed(random)),
  (random) => (random(4) === 0 ? { bytes: encodeClose(pick(random, [1000, 1001, 1005, 1006, 3000, 4999, 5000, 0])), leaves: true } : feed(random)),
];

function feed(random: Random): Said {
  return { bytes: encodeFrame('text', 'ü\n'.repeat(random(100))) };
}

function something(random: Random): Said {
  return pick(random, makers)(random);
}

function call(random: Random): Said {
  return json({ call: random(60) === 0 ? pick(random, startedCalls) : pick(random, codeCalls) });
}

function fragments(random: Random): Said {
  const text = random(2) === 0 ? '{"call":"mirror"}' : 'some text with ü and 😀';
  const bytes = Buffer.from(text);
  const cut = random(bytes.length);
  return {
    bytes: Buffer.concat([
      encodeFrame(random(2) === 0 ? 'binary' : 'text', bytes.subarray(0, cut), { fin: false }), encodeFrame('ping', 'between'),
      encodeFrame('continuation', bytes.subarray(cut)),
    ]),
  };
}
