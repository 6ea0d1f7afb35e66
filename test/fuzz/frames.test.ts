// Tests random conversations in every dialect: each ends with exactly one result, or because the client left.
// FUZZ_SEQUENCES sets their number, and FUZZ_SEED the first seed. `npm run fuzz` runs a hundred thousand.

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { expectIdle, getNewestRuns, getStatus } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { createRandomInteger } from '../helpers/seeded-random.ts';
import { waitUntil, withDeadline } from '../helpers/wait-until.ts';
import {
  type ClientBytes,
  drawConversation,
  type FuzzDialect,
  type Random,
} from '../helpers/websocket/random-conversation.ts';
import { connectRawClient, type RawClient } from '../helpers/websocket/raw-client.ts';
import { encodeClose, encodeFrame, type Frame } from '../helpers/websocket/raw-frames.ts';

const module = fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url));
const yaml = `
modules: [${JSON.stringify(module)}]
retention: { runs: 600 }
limits: { firstCallMs: 400ms, closeMs: 300ms, graceMs: 300ms, messageBytesMax: 4096, earlyInputFramesMax: 8,
  earlyInputBytesMax: 4096, inputBytesMax: 4096, inputFileBytesMax: 4096, lineBytesMax: 256 }
calls:
  cat: { process: [cat], onDisconnect: { default: cancel, allow: [cancel, detach, "grace:1s"] } }
  stubborn: { process: [sh, -c, "trap '' TERM; while :; do sleep 0.05; done"] }
  shell: { terminal: [cat], onDisconnect: { default: "grace:100ms", allow: [cancel, detach, "grace:1s"] } }
`;

const sequences = Number(process.env['FUZZ_SEQUENCES'] ?? 3_600);
const firstSeed = Number(process.env['FUZZ_SEED'] ?? 1);
const dialects: readonly FuzzDialect[] = ['v1', 'distillery.v2', 'pow-1'];
const atOnce = 24;
/** After this many conversations, the test stops all runs and checks them. */
const batch = 400;
const heapGrowthMax = 24 << 20;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

describe(`random conversations (${sequences} from seed ${firstSeed})`, function () {
  this.timeout(60_000 + sequences * 40);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  after(() => gateway.stop());

  for (const [at, dialect] of dialects.entries()) {
    it(`every random conversation ends with one result and leaves nothing (${dialect})`, async () => {
      const count = Math.ceil((sequences - at) / dialects.length);
      const startedAt = performance.now();
      let results = await runConversations(gateway, dialect, { from: firstSeed, count: Math.min(count, batch) });
      const before = measureResources(gateway);
      for (let done = batch; done < count; done += batch) {
        results += await runConversations(gateway, dialect, {
          from: firstSeed + done,
          count: Math.min(batch, count - done),
        });
        if (process.env['FUZZ_SEQUENCES'] !== undefined && done % (batch * 10) === 0)
          process.stdout.write(`      ${done} of ${count}\n`);
      }
      await waitUntil('no more files are open than before', () => measureResources(gateway).files <= before.files);
      const after = measureResources(gateway);
      expect(after.heap - before.heap).to.be.lessThan(heapGrowthMax);
      if (process.env['FUZZ_SEQUENCES'] !== undefined) {
        const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
        process.stdout.write(
          `      ${dialect}: ${count} sequences from seed ${firstSeed}, ${results} results, ${seconds} s, ` +
            `heap ${formatMib(before.heap)} -> ${formatMib(after.heap)} MiB, files ${before.files} -> ${after.files}\n`,
        );
      }
    });
  }
});

interface SeedRange {
  readonly from: number;
  readonly count: number;
}

/**
 * Runs one conversation per seed, `atOnce` at a time, and then stops and checks all runs. Returns the number of
 * results.
 */
async function runConversations(
  gateway: TestGateway,
  dialect: FuzzDialect,
  { from, count }: SeedRange,
): Promise<number> {
  const seeds = Array.from({ length: count }, (_, at) => from + at);
  let results = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let seed = seeds.pop(); seed !== undefined; seed = seeds.pop()) {
        const resultCount = await runConversation(gateway, seed, dialect);
        results += resultCount;
      }
    }),
  );
  await stopAll(gateway);
  await expectIdle(gateway, 30_000);
  expect((await getStatus(gateway)).sessions).to.equal(0);
  const runs = await getNewestRuns(gateway, 500);
  expect(runs.filter(({ outcome, cleanup }) => outcome === undefined || cleanup?.clean !== true)).to.deep.equal([]);
  const faults = gateway
    .logText()
    .split('\n')
    .filter((line) => line.startsWith('error') && !line.includes('because of an error in the gateway'));
  expect(faults).to.deep.equal([]);
  return results;
}

/** Cancels every run that has not ended, for example because its client left. */
async function stopAll(gateway: TestGateway): Promise<void> {
  const live = (await getNewestRuns(gateway, 500)).filter(({ state }) => state !== 'ended');
  for (const { id } of live) {
    const client = await connectRawClient(gateway.wsUrl, { headers: { 'Sec-WebSocket-Protocol': 'distillery.v2' } });
    client.sendControl({ attach: id, last: 0 });
    client.sendControl({ signal: 'cancel' });
    await readFrames(client);
    client.socket.destroy();
  }
}

function measureResources(gateway: TestGateway): { readonly heap: number; readonly files: number } {
  collect();
  // Subtract the log text, which the test stores, not the gateway.
  return {
    heap: process.memoryUsage().heapUsed - gateway.logText().length,
    files: readdirSync('/proc/self/fd').length,
  };
}

function formatMib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}

async function runConversation(gateway: TestGateway, seed: number, dialect: FuzzDialect): Promise<number> {
  const random = createRandomInteger(seed * dialects.length + dialects.indexOf(dialect));
  const headers = dialect === 'v1' ? {} : { 'Sec-WebSocket-Protocol': dialect };
  const path = dialect === 'pow-1' && random(2) === 0 ? '/api/v1/pow/' : '/api/v1/ws';
  const script = drawConversation(random, dialect);
  const client = await connectRawClient(gateway.wsUrl, { headers, path });
  const context = `seed ${seed} of ${dialect}`;
  try {
    const reading = withDeadline(`the end of ${context}`, readFrames(client), 20_000);
    await sendBytes(client, script, random);
    return checkFrames(await reading, { script, dialect, context });
  } catch (error) {
    throw new Error(
      `${context}: ${script.map(({ bytes }) => bytes.subarray(0, 60).toString('hex')).join(' ')}: ${String(error)}`,
      { cause: error },
    );
  } finally {
    client.socket.destroy();
  }
}

/** Sends the bytes whole, or in pieces as a network would, and then ends the conversation. */
async function sendBytes(client: RawClient, script: readonly ClientBytes[], random: Random): Promise<void> {
  const leaves = script.some((step) => step.disconnects ?? step.breaksFraming);
  const last = leaves ? encodeClose(1000) : encodeFrame('binary', '{"signal":"cancel"}');
  let bytes = Buffer.concat([...script.map((step) => step.bytes), last]);
  while (bytes.length > 0) {
    const size = random(4) === 0 ? bytes.length : 1 + random(200);
    client.write(bytes.subarray(0, size));
    bytes = bytes.subarray(size);
    if (random(3) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  if (!leaves) return;
  if (random(3) === 0) client.socket.destroy();
  else client.socket.end();
}

/** Returns everything up to the end of the connection. Answers a close frame. */
async function readFrames(client: RawClient): Promise<readonly Frame[]> {
  const frames: Frame[] = [];
  for (let frame = await client.next(); frame !== undefined; frame = await client.next()) {
    frames.push(frame);
    if (frame.opcode === 'close' && !client.socket.writableEnded) client.write(encodeFrame('close', frame.payload));
  }
  return frames;
}

function checkFrames(
  frames: readonly Frame[],
  { script, dialect, context }: { script: readonly ClientBytes[]; dialect: FuzzDialect; context: string },
): number {
  const messages = frames.flatMap(({ opcode, payload }) =>
    opcode === 'binary' ? [JSON.parse(payload.toString()) as Readonly<Record<string, unknown>>] : [],
  );
  const results = messages.filter((message) => (dialect === 'pow-1' ? 'status' : 'success') in message);
  const left = script.some(({ disconnects, breaksFraming }) => disconnects ?? breaksFraming);
  if (left) expect(results.length, context).to.be.at.most(1);
  else expect(results.length, context).to.equal(1);
  for (const result of results) {
    if (dialect === 'v1') expect(Object.keys(result).join()).to.match(/^success(,message)?$/);
    else if (dialect === 'pow-1') expect(Object.keys(result).join()).to.match(/^status,(value|reason)$/);
    else expect(result).to.include.all.keys('success', 'status', 'next');
  }
  if (left) return results.length;
  expect(
    frames.slice(-2).map(({ opcode }) => opcode),
    context,
  ).to.deep.equal(['binary', 'close']);
  expect(frames.at(-1)?.payload.length, context).to.equal(2);
  return results.length;
}
