// Tests the shutdown of the gateway: it accepts no more work, waits for runs, and stops the rest.

import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import type { RunRecord } from '../../protocol/run-record.ts';
import { getNewestRuns } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const calls = `calls:
  cat: { process: [cat] }
  stubborn: { process: [sh, -c, 'trap "" TERM; echo ready; while :; do sleep 60; done'], stop: { grace: 60s } }
  single: { process: [cat], concurrency: { limit: 1, queue: 5 } }
`;

interface TestClient {
  readonly ws: WebSocket;
  /** Decoded control messages, and lines as text. */
  readonly received: unknown[];
  readonly closed: Promise<number>;
}

describe('the shutdown of a gateway', () => {
  let gateway: TestGateway;
  afterEach(() => gateway.stop());

  const start = async (grace: string): Promise<void> => {
    gateway = await startTestGateway(`shutdown: { grace: ${grace} }\n${calls}`);
  };

  async function open(): Promise<TestClient> {
    const ws = new WebSocket(gateway.wsUrl, ['distillery.v2']);
    const received: unknown[] = [];
    ws.on('message', (data: Buffer, isBinary: boolean) =>
      received.push(isBinary ? JSON.parse(String(data)) : String(data)),
    );
    const closed = once(ws, 'close').then(([code]) => code as number);
    await once(ws, 'open');
    return { ws, received, closed };
  }

  /** Opens a session and waits until its run has started. */
  async function startRun(call: string): Promise<TestClient> {
    const client = await open();
    send(client, { call });
    await waitUntil('the run is active', () =>
      client.received.some((message) => (message as { run?: RunRecord }).run?.state === 'running'),
    );
    return client;
  }

  const send = ({ ws }: TestClient, message: object): void => ws.send(Buffer.from(JSON.stringify(message)));

  it('the gateway lets runs end within the grace of the shutdown and accepts no new work', async () => {
    await start('60s');
    const [client, idle] = [await startRun('cat'), await open()];
    const stopped = gateway.stop();
    expect(await gateway.getJson('/readyz')).to.deep.include({ status: 503 });
    const [rejected] = await once(new WebSocket(gateway.wsUrl), 'unexpected-response').then(([, response]) => [
      response as { statusCode: number },
    ]);
    expect(rejected!.statusCode).to.equal(503);
    send(idle, { call: 'cat' });
    expect(await idle.closed).to.equal(1001);
    expect(idle.received.at(-1)).to.deep.include({
      success: false,
      status: 'rejected',
      message: 'cancelled: server is shutting down',
    });
    client.ws.send('still here');
    send(client, { signal: 'close' });
    await stopped;
    expect(await client.closed).to.equal(1000);
    expect(client.received).to.include('still here');
    expect(client.received.at(-1)).to.deep.include({ success: true, status: 'succeeded' });
    expect(gateway.logText()).to.contain('"awaited":1');
  });

  it('the gateway stops runs that outlive the grace of the shutdown and informs every client', async () => {
    await start('50ms');
    const [client, idle] = [await startRun('cat'), await open()];
    await gateway.stop();
    expect(await Promise.all([client.closed, idle.closed])).to.deep.equal([1001, 1001]);
    expect(client.received.at(-1)).to.deep.include({
      status: 'cancelled',
      message: 'cancelled: server is shutting down',
    });
    expect(gateway.logText()).to.contain('the grace is over').and.to.contain('"left":1');
  });

  it('the gateway cancels queued runs at once when it shuts down', async () => {
    await start('60s');
    const [first, second] = [await startRun('single'), await open()];
    send(second, { call: 'single' });
    await waitUntil('the run waits', () =>
      second.received.some((message) => (message as { event?: { type: string } }).event?.type === 'queued'),
    );
    const stopped = gateway.stop();
    await second.closed;
    expect(second.received.at(-1)).to.deep.include({
      status: 'cancelled',
      message: 'cancelled: server is shutting down; it had not started yet',
    });
    expect((await getNewestRuns(gateway, 2)).map(({ state }) => state)).to.deep.equal(['ended', 'running']);
    send(first, { signal: 'close' });
    await stopped;
  });

  it('a forced shutdown skips the rest of its own grace and of the grace of every run', async () => {
    await start('60s');
    const client = await startRun('stubborn');
    await waitUntil('the run ignores SIGTERM', () => client.received.includes('ready'));
    const stopped = gateway.stop();
    await waitUntil('the gateway waits for runs', () => gateway.logText().includes('"awaited":1'));
    gateway.gateway.forceStop();
    await stopped;
    expect(await client.closed).to.equal(1001);
    expect(client.received.at(-1)).to.deep.include({ status: 'cancelled', signal: 'SIGKILL' });
  }).timeout(60_000);

  it('the shutdown ends at once if no run is active', async () => {
    await start('60s');
    const idle = await open();
    await gateway.stop();
    expect(await idle.closed).to.equal(1001);
  });

  it('the shutdown does not wait for a connection that has sent no request', async () => {
    await start('60s');
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    socket.write('GET /healthz HTTP/1.1\r\n');
    await once(socket, 'connect');
    // The gateway has accepted the first connection when it responds on a later one.
    await fetch(`${gateway.url}/healthz`);
    const started = performance.now();
    await gateway.stop();
    expect(performance.now() - started).to.be.below(1_500);
  });
});
