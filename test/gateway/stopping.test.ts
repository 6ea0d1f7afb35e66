// How the gateway stops: it takes no more, waits, and ends what is left.

import { expect } from 'chai';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { RunRecord } from '../../protocol/record.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { newestRuns } from '../helpers/settled.ts';
import { until } from '../helpers/until.ts';

const calls = `calls:
  cat: { process: [cat] }
  stubborn: { process: [sh, -c, 'trap "" TERM; echo ready; while :; do sleep 60; done'], stop: { grace: 60s } }
  single: { process: [cat], concurrency: { limit: 1, queue: 5 } }
`;

interface Peer {
  readonly ws: WebSocket;
  /** Control messages, decoded, and lines as they are. */
  readonly heard: unknown[];
  readonly closed: Promise<number>;
}

describe('a gateway that is to stop', () => {
  let gateway: TestGateway;
  afterEach(() => gateway.stop());

  const start = async (grace: string): Promise<void> => {
    gateway = await startTestGateway(`shutdown: { grace: ${grace} }\n${calls}`);
  };

  async function open(): Promise<Peer> {
    const ws = new WebSocket(gateway.wsUrl, ['distillery.v2']);
    const heard: unknown[] = [];
    ws.on('message', (data: Buffer, isBinary: boolean) => heard.push(isBinary ? JSON.parse(String(data)) : String(data)));
    const closed = once(ws, 'close').then(([code]) => code as number);
    await once(ws, 'open');
    return { ws, heard, closed };
  }

  /** A session whose run has begun. */
  async function running(call: string): Promise<Peer> {
    const peer = await open();
    say(peer, { call });
    await until('it runs', () => peer.heard.some((message) => (message as { run?: RunRecord }).run?.state === 'running'));
    return peer;
  }

  const say = ({ ws }: Peer, message: object): void => ws.send(Buffer.from(JSON.stringify(message)));

  it('lets what runs end by itself, within the grace, and takes nothing new', async () => {
    await start('60s');
    const [peer, idle] = [await running('cat'), await open()];
    const stopped = gateway.stop();
    expect(await gateway.getJson('/readyz')).to.deep.include({ status: 503 });
    const [refused] = await once(new WebSocket(gateway.wsUrl), 'unexpected-response').then(([, response]) => [response as { statusCode: number }]);
    expect(refused!.statusCode).to.equal(503);
    say(idle, { call: 'cat' });
    expect(await idle.closed).to.equal(1001);
    expect(idle.heard.at(-1)).to.deep.include({ success: false, status: 'rejected', message: 'cancelled: server is shutting down' });
    peer.ws.send('still here');
    say(peer, { signal: 'close' });
    await stopped;
    expect(await peer.closed).to.equal(1000);
    expect(peer.heard).to.include('still here');
    expect(peer.heard.at(-1)).to.deep.include({ success: true, status: 'succeeded' });
    expect(gateway.logged()).to.contain('"awaited":1');
  });

  it('stops what has not ended when the grace is over, and says so to everybody', async () => {
    await start('50ms');
    const [peer, idle] = [await running('cat'), await open()];
    await gateway.stop();
    expect(await Promise.all([peer.closed, idle.closed])).to.deep.equal([1001, 1001]);
    expect(peer.heard.at(-1)).to.deep.include({ status: 'cancelled', message: 'cancelled: server is shutting down' });
    expect(gateway.logged()).to.contain('the grace is over').and.to.contain('"left":1');
  });

  it('cancels what waits for its turn at once', async () => {
    await start('60s');
    const [first, second] = [await running('single'), await open()];
    say(second, { call: 'single' });
    await until('it waits', () => second.heard.some((message) => (message as { event?: { type: string } }).event?.type === 'queued'));
    const stopped = gateway.stop();
    await second.closed;
    expect(second.heard.at(-1)).to.deep.include({ status: 'cancelled', message: 'cancelled: server is shutting down; it had not started yet' });
    expect((await newestRuns(gateway, 2)).map(({ state }) => state)).to.deep.equal(['ended', 'running']);
    say(first, { signal: 'close' });
    await stopped;
  });

  it('skips the rest of every grace when it is hurried: its own, and that of what it ends', async () => {
    await start('60s');
    const peer = await running('stubborn');
    await until('it does not listen', () => peer.heard.includes('ready'));
    const stopped = gateway.stop();
    await until('runs are awaited', () => gateway.logged().includes('"awaited":1'));
    gateway.gateway.hurry();
    await stopped;
    expect(await peer.closed).to.equal(1001);
    expect(peer.heard.at(-1)).to.deep.include({ status: 'cancelled', signal: 'SIGKILL' });
  }).timeout(15_000);

  it('ends at once when nothing runs', async () => {
    await start('60s');
    const idle = await open();
    await gateway.stop();
    expect(await idle.closed).to.equal(1001);
  });
});
