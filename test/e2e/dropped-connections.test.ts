// Tests clients that lose their connection hundreds of times, after random numbers of bytes. Every line and every input
// must arrive once and in order.

import { expect } from 'chai';
import { WebSocket as WsSocket } from 'ws';
import type { Item } from '../../protocol/client/client.ts';
import { endpoint, openCall } from '../../protocol/client/client.ts';
import { expectIdle } from '../helpers/gateway/expect-idle.ts';
import type { TestGateway } from '../helpers/gateway/test-gateway.ts';
import { startTestGateway } from '../helpers/gateway/test-gateway.ts';
import { createRandom } from '../helpers/seeded-random.ts';
import type { DroppingProxy, DropRule } from '../helpers/websocket/dropping-proxy.ts';
import { startDroppingProxy } from '../helpers/websocket/dropping-proxy.ts';

const lineCount = 60_000;
const yaml = `
calls:
  count: { process: [seq, '${lineCount}'], onDisconnect: detach }
  cat: { process: [cat], onDisconnect: detach }
  twice: { process: [sh, -c, 'tee /dev/stderr'], onDisconnect: detach, input: bytes, output: bytes }
`;

const reconnect = { forMs: 20_000, delayMs: 1, delayMaxMs: 4, first: true };

describe('a client whose connection is cut many times', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  after(() => gateway.stop());

  let proxy: DroppingProxy | undefined;
  afterEach(() => proxy?.close());

  it('a client receives every line once and in order over 700 cuts', async () => {
    const cuts = drawDrops({ seed: 1, count: 700, downMax: 900, upMax: 300 });
    proxy = await startDroppingProxy(gateway.url, cuts);
    const lines: string[] = [];
    const losses: Item[] = [];
    const call = openCall({
      url: endpoint(proxy.url),
      socket: WsSocket,
      call: 'count',
      reconnect,
      onItem(item) {
        if ('line' in item) lines.push(item.line);
        if ('connection' in item && item.connection === 'lost') losses.push(item);
      },
    });
    const result = await call.result;
    expect(result).to.deep.include({ success: true, status: 'succeeded', next: lineCount + 1 });
    expect(findFirstWrongLine(lines, lineCount)).to.equal(undefined);
    expect([proxy.countDrops(), losses.length >= 700]).to.deep.equal([700, true]);
    await expectIdle(gateway);
  });

  it('the input of a client is echoed once and in order over 300 cuts', async () => {
    const texts = 20_000;
    const linesAhead = 50;
    proxy = await startDroppingProxy(gateway.url, drawDrops({ seed: 2, count: 300, downMax: 900, upMax: 1_200 }));
    const lines: string[] = [];
    let echoed = (): void => {};
    const call = openCall({
      url: endpoint(proxy.url),
      socket: WsSocket,
      call: 'cat',
      reconnect,
      onItem(item) {
        if ('line' in item) lines.push(item.line);
        echoed();
      },
    });
    for (let text = 1; text <= texts; text += 1) {
      expect(await call.write(String(text))).to.equal(true);
      // Limit the lines that are not echoed yet, so that data moves in both directions during the whole test. If the
      // client sent everything at once, the few connections with late cuts would carry all of it.
      while (text - lines.length > linesAhead)
        await new Promise<void>((resolve) => {
          echoed = resolve;
        });
    }
    call.end();
    const result = await call.result;
    expect(result).to.deep.include({ success: true, status: 'succeeded', next: texts + 1 });
    expect(findFirstWrongLine(lines, texts)).to.equal(undefined);
    expect(proxy.countDrops()).to.equal(300);
    await expectIdle(gateway);
  });

  it('bytes of a client are echoed on both streams, once and in order, over 300 cuts', async () => {
    const random = createRandom(3);
    const sent = Buffer.from(Array.from({ length: 60_000 }, () => Math.floor(random() * 256)));
    proxy = await startDroppingProxy(gateway.url, drawDrops({ seed: 4, count: 300, downMax: 900, upMax: 1_200 }));
    const received = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
    const receivedBytes = { stdout: 0, stderr: 0 };
    let echoed = (): void => {};
    const call = openCall({
      url: endpoint(proxy.url),
      socket: WsSocket,
      call: 'twice',
      bytes: true,
      reconnect,
      onItem(item) {
        if (!('bytes' in item)) return;
        received[item.stream].push(item.bytes);
        receivedBytes[item.stream] += item.bytes.length;
        echoed();
      },
    });
    for (let at = 0; at < sent.length; at += 20) {
      expect(await call.write(sent.subarray(at, at + 20))).to.equal(true);
      while (at - Math.min(receivedBytes.stdout, receivedBytes.stderr) > 400)
        await new Promise<void>((resolve) => {
          echoed = resolve;
        });
    }
    call.end();
    expect(await call.result).to.deep.include({ success: true, status: 'succeeded', next: 2 * sent.length + 1 });
    for (const stream of ['stdout', 'stderr'] as const)
      expect(Buffer.concat(received[stream]).equals(sent), stream).to.equal(true);
    expect(proxy.countDrops()).to.equal(300);
    await expectIdle(gateway);
  });
});

interface DropPlan {
  readonly seed: number;
  readonly count: number;
  readonly downMax: number;
  readonly upMax: number;
}

/**
 * Returns a function that draws the cut of the next connection: in the upgrade, between messages or within one. The
 * upgrade takes about 160 bytes down and 250 bytes up.
 */
function drawDrops({ seed, count, downMax, upMax }: DropPlan): () => DropRule | undefined {
  const random = createRandom(seed);
  let drawn = 0;
  return () => {
    drawn += 1;
    if (drawn > count) return undefined;
    const direction = random() < 0.7 ? 'down' : 'up';
    return { direction, afterBytes: Math.floor(random() * (direction === 'down' ? downMax : upMax)) };
  };
}

/**
 * Describes a wrong number of lines, or the first line that is not its own number. Returns undefined if all are right.
 */
function findFirstWrongLine(lines: readonly string[], count: number): string | undefined {
  if (lines.length !== count) return `${lines.length} lines`;
  const at = lines.findIndex((line, index) => line !== String(index + 1));
  return at === -1 ? undefined : `line ${at + 1} is ${lines[at]}`;
}
