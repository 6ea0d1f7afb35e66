// Conversations made at random, the same ones for the same seed, in every dialect: each ends with exactly one result, or because the client left.
// FUZZ_SEQUENCES says how many, FUZZ_SEED where they begin; `npm run fuzz` makes a hundred thousand.

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { encodeClose, encodeFrame, type Frame } from '../helpers/frames.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { wholeFrom } from '../helpers/random.ts';
import { rawClient, type RawClient } from '../helpers/raw-client.ts';
import { newestRuns, settled, statusOf } from '../helpers/settled.ts';
import { soon, until } from '../helpers/until.ts';
import { scriptOf, type FuzzDialect, type Random, type Said } from './said.ts';

const module = fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url));
const yaml = `
modules: [${JSON.stringify(module)}]
retention: { runs: 600 }
limits: { firstCallMs: 400ms, closeMs: 300ms, graceMs: 300ms, messageBytesMax: 4096, heldFramesMax: 8, heldBytesMax: 4096, inputBytesMax: 8192, lineBytesMax: 256 }
calls:
  cat: { process: [cat], onDisconnect: { default: cancel, allow: [cancel, detach, "grace:1s"] } }
  stubborn: { process: [sh, -c, "trap '' TERM; while :; do sleep 0.05; done"] }
  shell: { terminal: [cat], onDisconnect: { default: "grace:100ms", allow: [cancel, detach, "grace:1s"] } }
`;

const sequences = Number(process.env['FUZZ_SEQUENCES'] ?? 3_600);
const firstSeed = Number(process.env['FUZZ_SEED'] ?? 1);
const dialects: readonly FuzzDialect[] = ['v1', 'distillery.v2', 'pow-1'];
const atOnce = 24;
/** After so many all that goes on is stopped, and looked at. */
const batch = 400;
const heapGrowthMax = 24 << 20;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

describe(`conversations at random (${sequences} from seed ${firstSeed})`, function () {
  this.timeout(60_000 + sequences * 40);
  let gateway: TestGateway;
  before(async () => { gateway = await startTestGateway(yaml); });
  after(() => gateway.stop());

  for (const [at, dialect] of dialects.entries()) {
    it(`end with one result each, and leave nothing (${dialect})`, async () => {
      const count = Math.ceil((sequences - at) / dialects.length);
      const startedAt = performance.now();
      let results = await converseAll(gateway, dialect, { from: firstSeed, count: Math.min(count, batch) });
      const before = footprint(gateway);
      for (let done = batch; done < count; done += batch) {
        results += await converseAll(gateway, dialect, { from: firstSeed + done, count: Math.min(batch, count - done) });
        if (process.env['FUZZ_SEQUENCES'] !== undefined && done % (batch * 10) === 0) process.stdout.write(`      ${done} of ${count}\n`);
      }
      await until('no more files are open than before', () => footprint(gateway).files <= before.files);
      const after = footprint(gateway);
      expect(after.heap - before.heap).to.be.lessThan(heapGrowthMax);
      if (process.env['FUZZ_SEQUENCES'] !== undefined) {
        const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
        process.stdout.write(`      ${dialect}: ${count} sequences from seed ${firstSeed}, ${results} results, ${seconds} s, heap ${mib(before.heap)} -> ${mib(after.heap)} MiB, files ${before.files} -> ${after.files}\n`);
      }
    });
  }
});

interface Share {
  readonly from: number;
  readonly count: number;
}

/** Resolves with how many results there were, when nothing goes on any more. */
async function converseAll(gateway: TestGateway, dialect: FuzzDialect, { from, count }: Share): Promise<number> {
  const seeds = Array.from({ length: count }, (_, at) => from + at);
  let results = 0;
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let seed = seeds.pop(); seed !== undefined; seed = seeds.pop()) {
      const heard = await converse(gateway, seed, dialect);
      results += heard;
    }
  }));
  await stopAll(gateway);
  await settled(gateway, 30_000);
  expect((await statusOf(gateway)).sessions).to.equal(0);
  const runs = await newestRuns(gateway, 500);
  expect(runs.filter(({ outcome, cleanup }) => outcome === undefined || cleanup?.clean !== true)).to.deep.equal([]);
  const faults = gateway.logged().split('\n').filter((line) => line.startsWith('error') && !line.includes('a mistake of ours'));
  expect(faults).to.deep.equal([]);
  return results;
}

/** Runs that were left to themselves. */
async function stopAll(gateway: TestGateway): Promise<void> {
  const live = (await newestRuns(gateway, 500)).filter(({ state }) => state !== 'ended');
  for (const { id } of live) {
    const client = await rawClient(gateway.wsUrl, { headers: { 'Sec-WebSocket-Protocol': 'distillery.v2' } });
    client.control({ attach: id, last: 0 });
    client.control({ signal: 'cancel' });
    await hear(client);
    client.socket.destroy();
  }
}

function footprint(gateway: TestGateway): { readonly heap: number; readonly files: number } {
  collect();
  // What was logged is kept by the test, not by the gateway.
  return { heap: process.memoryUsage().heapUsed - gateway.logged().length, files: readdirSync('/proc/self/fd').length };
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}

async function converse(gateway: TestGateway, seed: number, dialect: FuzzDialect): Promise<number> {
  const random = wholeFrom(seed * dialects.length + dialects.indexOf(dialect));
  const headers = dialect === 'v1' ? {} : { 'Sec-WebSocket-Protocol': dialect };
  const path = dialect === 'pow-1' && random(2) === 0 ? '/api/v1/pow/' : '/api/v1/ws';
  const script = scriptOf(random, dialect);
  const client = await rawClient(gateway.wsUrl, { headers, path });
  const context = `seed ${seed} of ${dialect}`;
  try {
    const hearing = soon(`the end of ${context}`, hear(client), 20_000);
    await speak(client, script, random);
    return judge(await hearing, { script, dialect, context });
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

function judge(frames: readonly Frame[], { script, dialect, context }: { script: readonly Said[]; dialect: FuzzDialect; context: string }): number {
  const said = frames.flatMap(({ opcode, payload }) => (opcode === 'binary' ? [JSON.parse(payload.toString()) as Readonly<Record<string, unknown>>] : []));
  const results = said.filter((message) => (dialect === 'pow-1' ? 'status' : 'success') in message);
  const left = script.some(({ leaves, tears }) => leaves ?? tears);
  if (left) expect(results.length, context).to.be.at.most(1);
  else expect(results.length, context).to.equal(1);
  for (const result of results) {
    if (dialect === 'v1') expect(Object.keys(result).join()).to.match(/^success(,message)?$/);
    else if (dialect === 'pow-1') expect(Object.keys(result).join()).to.match(/^status,(value|reason)$/);
    else expect(result).to.include.all.keys('success', 'status', 'next');
  }
  if (left) return results.length;
  expect(frames.slice(-2).map(({ opcode }) => opcode), context).to.deep.equal(['binary', 'close']);
  expect(frames.at(-1)?.payload.length, context).to.equal(2);
  return results.length;
}
