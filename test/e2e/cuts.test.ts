// A client that loses its connection a thousand times at random bytes: every line comes once and in order, every input arrives once and in order.

import { expect } from 'chai';
import { WebSocket as WsSocket } from 'ws';
import { endpoint, openCall } from '../../protocol/client.ts';
import type { Item } from '../../protocol/client.ts';
import { cuttingProxy } from '../helpers/cutting-proxy.ts';
import type { Cut, CuttingProxy } from '../helpers/cutting-proxy.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import type { TestGateway } from '../helpers/gateway.ts';
import { randomFrom } from '../helpers/random.ts';
import { settled } from '../helpers/settled.ts';

const lineCount = 60_000;
const yaml = `
calls:
  count: { process: [seq, '${lineCount}'], onDisconnect: detach }
  cat: { process: [cat], onDisconnect: detach }
`;

const reconnect = { forMs: 20_000, delayMs: 1, delayMaxMs: 4, first: true };

describe('a client whose connection is cut again and again', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => { gateway = await startTestGateway(yaml); });
  after(() => gateway.stop());

  let proxy: CuttingProxy | undefined;
  afterEach(() => proxy?.close());

  it('gets every line once and in order, over 700 cuts', async () => {
    const cuts = someCuts({ seed: 1, count: 700, downMax: 900, upMax: 300 });
    proxy = await cuttingProxy(gateway.url, cuts);
    const lines: string[] = [];
    const losses: Item[] = [];
    const call = openCall({
      url: endpoint(proxy.url), socket: WsSocket, call: 'count', reconnect,
      onItem(item) {
        if ('line' in item) lines.push(item.line);
        if ('connection' in item && item.connection === 'lost') losses.push(item);
      },
    });
    const result = await call.result;
    expect(result).to.deep.include({ success: true, status: 'succeeded', next: lineCount + 1 });
    expect(firstWrong(lines, lineCount)).to.equal(undefined);
    expect([proxy.cuts(), losses.length >= 700]).to.deep.equal([700, true]);
    await settled(gateway);
  });

  it('has its input echoed once and in order, over 300 cuts', async () => {
    const texts = 20_000;
    const ahead = 50;
    proxy = await cuttingProxy(gateway.url, someCuts({ seed: 2, count: 300, downMax: 900, upMax: 1_200 }));
    const lines: string[] = [];
    let echoed = (): void => {};
    const call = openCall({
      url: endpoint(proxy.url), socket: WsSocket, call: 'cat', reconnect,
      onItem(item) {
        if ('line' in item) lines.push(item.line);
        echoed();
      },
    });
    for (let text = 1; text <= texts; text += 1) {
      expect(await call.write(String(text))).to.equal(true);
      // Both directions are kept busy: what is sent all at once passes in the few connections that live longest.
      while (text - lines.length > ahead) await new Promise<void>((resolve) => { echoed = resolve; });
    }
    call.end();
    const result = await call.result;
    expect(result).to.deep.include({ success: true, status: 'succeeded', next: texts + 1 });
    expect(firstWrong(lines, texts)).to.equal(undefined);
    expect(proxy.cuts()).to.equal(300);
    await settled(gateway);
  });
});

interface SomeCuts {
  readonly seed: number;
  readonly count: number;
  readonly downMax: number;
  readonly upMax: number;
}

/** The upgrade takes some 160 bytes down and 250 up: cuts fall in it, between the messages, and within them. */
function someCuts({ seed, count, downMax, upMax }: SomeCuts): () => Cut | undefined {
  const random = randomFrom(seed);
  let made = 0;
  return () => {
    made += 1;
    if (made > count) return undefined;
    const direction = random() < 0.7 ? 'down' : 'up';
    return { direction, afterBytes: Math.floor(random() * (direction === 'down' ? downMax : upMax)) };
  };
}

/** The first line that is not its own number, if there is one. */
function firstWrong(lines: readonly string[], count: number): string | undefined {
  if (lines.length !== count) return `${lines.length} lines`;
  const at = lines.findIndex((line, index) => line !== String(index + 1));
  return at === -1 ? undefined : `line ${at + 1} is ${lines[at]}`;
}
