// Tests clients that send invalid data, too much, too fast, too slowly or nothing. Each gets a response or is
// disconnected, and leaves nothing behind. The folder test/vectors contains more invalid websocket messages.

import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { hostileValues } from '../helpers/calls/hostile-values.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { expectIdle, getNewestRuns, getStatus, waitForNewestRun } from '../helpers/gateway/expect-idle.ts';
import { type GatewayProcess, startGatewayProcess } from '../helpers/gateway/gateway-process.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { waitUntil, withDeadline } from '../helpers/wait-until.ts';
import { connectRawClient, handshake, type RawClient } from '../helpers/websocket/raw-client.ts';
import { encodeFrame, type Frame } from '../helpers/websocket/raw-frames.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

const calls = `
calls:
  cat: { process: [cat] }
  sleep: { process: [sh, -c, 'echo ready; exec sleep 60'] }
  endless: { process: ['yes', 'a line that comes again and again, as long as anybody lets it'] }
  count: { params: [{ name: lines }], process: [seq, '1', "\${lines}"] }
  gigabyte: { process: [head, -c, '1000000000', /dev/zero] }
  pile: { process: [sh, -c, 'yes "a line of a large pile" | head -c 300000000'] }
  show: { params: [{ name: value }], process: [printf, '<%s>', "\${value}"] }
`;

const encodeJsonFrame = (message: object): Buffer => encodeFrame('binary', JSON.stringify(message));

/** Answers a close frame and returns all other frames. Resolves when the connection has ended. */
async function readUntilClose(client: RawClient): Promise<readonly Frame[]> {
  const frames: Frame[] = [];
  for (let frame = await client.next(); frame !== undefined; frame = await client.next()) {
    if (frame.opcode === 'close') client.write(encodeFrame('close', frame.payload));
    else frames.push(frame);
  }
  return frames;
}

const findResult = (frames: readonly Frame[]): unknown =>
  JSON.parse(String(frames.findLast(({ opcode }) => opcode === 'binary')?.payload));

describe('bad input', function () {
  this.timeout(60_000);

  describe('hostile values in the params of a call', () => {
    let gateway: TestGateway;
    before(async () => {
      gateway = await startTestGateway(`${calls}
  shown: { params: [{ name: value }], container: { image: "busybox:latest", command: [printf, '<%s>', "\${value}"],
    network: none } }
  typed: { params: [{ name: value }], terminal: [printf, '<%s>', "\${value}"] }
docker: { host: ${JSON.stringify(await sharedEngineHost())} }
`);
    });
    after(() => gateway.stop());
    afterEach(() => expectIdle(gateway));

    const outputOf = async (call: string, value: string): Promise<string> => {
      const client = await connectWsClient(gateway.wsUrl);
      client.sendControl({ call, params: [value] });
      const { texts, json } = await client.readToEnd();
      expect(json).to.deep.equal([{ success: true }]);
      return texts.join('\n');
    };

    for (const value of hostileValues) {
      it(`a process receives a param unchanged: ${JSON.stringify(value)}`, async () => {
        expect(await outputOf('show', value)).to.equal(`<${value}>`);
      });
    }

    it('a terminal receives hostile params unchanged', async () => {
      const values = hostileValues.filter((value) => !/[\n\t]/.test(value));
      expect(await Promise.all(values.map((value) => outputOf('typed', value)))).to.deep.equal(
        values.map((value) => `<${value}>`),
      );
    });

    it('a container receives hostile params unchanged', async () => {
      const values = hostileValues.filter((value) => /[$`\n-]/.test(value)).slice(0, 6);
      expect(await Promise.all(values.map((value) => outputOf('shown', value)))).to.deep.equal(
        values.map((value) => `<${value}>`),
      );
    });

    it('a param with a NUL is rejected, because no argument can contain it', async () => {
      for (const call of ['show', 'shown', 'typed']) {
        const client = await connectWsClient(gateway.wsUrl);
        client.sendControl({ call, params: ['a\0b'] });
        const {
          json: [result],
          code,
        } = await client.readToEnd();
        expect(result?.['success'], call).to.equal(false);
        expect(String(result?.['message']), call)
          .to.match(/NUL|null|zero/i)
          .and.not.to.equal('unknown error');
        expect(code, call).to.equal(1000);
      }
    });

    it('half a surrogate pair in a param becomes the replacement character', async () => {
      const client = await connectRawClient(gateway.wsUrl);
      client.write(encodeFrame('binary', '{"call":"show","params":["a\\ud83d"]}'));
      expect((await readUntilClose(client))[0]?.payload.toString()).to.equal('<a\ufffd>');
    });
  });

  describe('silent clients', () => {
    let gateway: TestGateway;
    before(async () => {
      gateway = await startTestGateway(
        `${calls}limits: { requestMs: 300ms, firstCallMs: 1s, pingMs: 50ms, clientTimeoutMs: 1s, graceMs: 1s }\n`,
      );
    });
    after(() => gateway.stop());
    afterEach(() => expectIdle(gateway));

    for (const [what, bytes] of [
      ['nothing at all', 0],
      ['half a handshake', 60],
      ['a handshake without its last line', -2],
    ] as const) {
      it(`the gateway closes a connection that sends ${what}`, async () => {
        const { port, host } = new URL(gateway.url);
        const socket = await connectSocket(Number(port));
        socket.write(handshake(host).slice(0, bytes));
        const ended = withDeadline('the end of the connection', once(socket, 'close'), 5_000);
        let received = '';
        socket.on('data', (piece) => {
          received += String(piece);
        });
        await ended;
        expect(received).to.match(/^(HTTP\/1\.1 408 [\s\S]*|)$/);
      });
    }

    it('a client that never sends a call gets a result, and its connection is closed', async () => {
      // This client answers pings, so it is not disconnected for its silence.
      const client = await connectWsClient(gateway.wsUrl);
      expect(await client.readToEnd()).to.deep.equal({
        texts: [],
        json: [{ success: false, message: 'timeout reading the first message' }],
        code: 1008,
      });
    });

    for (const reads of [true, false]) {
      it(`a client that ignores pings${reads ? '' : ' and reads nothing'} is disconnected; its run ends`, async () => {
        const client = await connectRawClient(gateway.wsUrl);
        client.sendControl({ call: 'sleep' });
        let frame = await client.next();
        while (frame?.opcode === 'ping') frame = await client.next();
        expect(frame?.payload.toString()).to.equal('ready');
        if (!reads) client.socket.pause();
        await expectIdle(gateway, 5_000);
        expect(await waitForNewestRun(gateway)).to.include({
          outcome: 'cancelled',
          message: 'cancelled: client disconnected',
        });
        client.socket.resume();
        await withDeadline('the end of the connection', client.closed);
      });
    }

    it('a client that only answers pings stays connected', async () => {
      const client = await connectWsClient(gateway.wsUrl);
      client.sendControl({ call: 'sleep' });
      expect(await client.nextLine()).to.equal('ready');
      let pings = 0;
      client.ws.on('ping', () => {
        pings += 1;
      });
      await waitUntil('the gateway has pinged for longer than clientTimeoutMs', () => pings >= 25);
      client.sendControl({ signal: 'cancel' });
      expect((await client.readToEnd()).code).to.equal(1000);
    });

    it('the gateway drops the connection of a client that does not answer a close frame', async () => {
      const client = await connectRawClient(gateway.wsUrl);
      client.sendControl({ call: 'none' });
      expect(
        (await withDeadline('the end of the connection', client.readToEnd(), 3_000)).map(({ opcode }) => opcode),
      ).to.deep.equal(['binary', 'close']);
    });
  });

  describe('slow readers', () => {
    let gateway: TestGateway;
    let shortStallGateway: TestGateway;
    before(async () => {
      gateway = await startTestGateway(`${calls}limits: { writeStallMs: 30s, graceMs: 1s }\n`);
      shortStallGateway = await startTestGateway(`${calls}limits: { writeStallMs: 500ms, graceMs: 1s }\n`);
    });
    after(() => Promise.all([gateway.stop(), shortStallGateway.stop()]));
    afterEach(() => expectIdle(gateway));

    it('a client that reads nothing for too long is disconnected, and its run ends', async () => {
      const client = await connectRawClient(shortStallGateway.wsUrl);
      client.sendControl({ call: 'endless' });
      await client.next();
      client.socket.pause();
      await expectIdle(shortStallGateway);
      expect(await waitForNewestRun(shortStallGateway)).to.include({
        outcome: 'cancelled',
        message: 'cancelled: client disconnected',
      });
      client.socket.destroy();
    });

    it('a client that sends messages but reads none is disconnected', async () => {
      const client = await connectRawClient(shortStallGateway.wsUrl);
      client.sendControl({ call: 'endless' });
      await client.next();
      client.socket.pause();
      const sendTimer = setInterval(
        () => client.write(encodeFrame('ping', 'still here'), encodeFrame('text', 'and typing')),
        20,
      );
      await expectIdle(shortStallGateway).finally(() => clearInterval(sendTimer));
      expect((await waitForNewestRun(shortStallGateway)).outcome).to.equal('cancelled');
      client.socket.destroy();
    });

    it('a client that stalls for less than the limit receives every line', async () => {
      const client = await connectRawClient(gateway.wsUrl);
      client.sendControl({ call: 'count', params: ['2000000'] });
      client.socket.pause();
      await waitUntil('the run has ended', async () => (await getNewestRuns(gateway))[0]?.state === 'ended');
      client.socket.resume();
      await expectNumberedLines(client, 2_000_000, () => {});
      expect(await waitForNewestRun(gateway)).to.include({ outcome: 'succeeded', lines: 2_000_000 });
    });

    it('a client that reads slowly receives every line', async () => {
      const client = await connectRawClient(gateway.wsUrl);
      client.sendControl({ call: 'count', params: ['500000'] });
      await expectNumberedLines(client, 500_000, (count) => {
        if (count % 20_000 !== 0) return;
        client.socket.pause();
        setTimeout(() => client.socket.resume(), 20);
      });
      expect((await waitForNewestRun(gateway)).outcome).to.equal('succeeded');
    });

    it('a client that sends 20000 pings at once receives pongs in order, and always the last one', async () => {
      const client = await connectRawClient(gateway.wsUrl);
      client.sendControl({ call: 'cat' });
      client.write(...Array.from({ length: 20_000 }, (_, at) => encodeFrame('ping', String(at))));
      client.sendControl({ signal: 'close' });
      const frames = await readUntilClose(client);
      expect(findResult(frames)).to.deep.equal({ success: true });
      const pongs = frames.filter(({ opcode }) => opcode === 'pong').map(({ payload }) => Number(payload));
      expect(pongs)
        .to.deep.equal([...pongs].sort((a, b) => a - b))
        .and.to.include(19_999);
    });
  });

  describe('large numbers and sizes', () => {
    let gateway: GatewayProcess;
    before(async () => {
      gateway = await startGatewayProcess(`${calls}limits: { graceMs: 1s }\n`);
    });
    after(async () => {
      expect(await gateway.stop()).to.equal(0);
    });
    afterEach(() => expectIdle(gateway));

    it('the gateway sends a line of 1 GB in frames of 1 MiB and needs little memory', async () => {
      const client = await connectRawClient(gateway.wsUrl);
      gateway.resetPeak();
      const before = gateway.memory().now;
      client.sendControl({ call: 'gigabyte' });
      const lengths: number[] = [];
      for (let frame = await client.next(); frame?.opcode === 'text'; frame = await client.next())
        lengths.push(frame.payload.length);
      client.socket.destroy();
      expect(lengths).to.have.length(954);
      expect(new Set(lengths.slice(0, -1))).to.deep.equal(new Set([1 << 20]));
      expect(lengths.reduce((sum, length) => sum + length, 0)).to.equal(1_000_000_000);
      expect((gateway.memory().peak - before) / 2 ** 20, 'mebibytes').to.be.below(128);
    });

    it('a client that reads nothing costs little memory', async () => {
      const client = await connectRawClient(gateway.wsUrl);
      gateway.resetPeak();
      const before = gateway.memory().now;
      client.socket.pause();
      client.sendControl({ call: 'pile' });
      await waitUntil(
        'the process has written all',
        async () => (await getNewestRuns(gateway))[0]?.state === 'ended',
        20_000,
      );
      expect((gateway.memory().peak - before) / 2 ** 20, 'mebibytes').to.be.below(128);
      client.socket.destroy();
    });

    it('the gateway serves a thousand simultaneous clients and leaks no descriptor', async () => {
      const makeCall = async (call: string): Promise<unknown> => {
        const client = await connectRawClient(gateway.wsUrl, { early: encodeJsonFrame({ call }) });
        return findResult(await readUntilClose(client));
      };
      await makeCall('none');
      await expectIdle(gateway);
      const before = gateway.countOpenFiles();
      const results = await Promise.all(
        Array.from({ length: 1000 }, (_, at) => makeCall(at % 10 === 0 ? 'count' : 'none')),
      );
      const messages = results.map((result) => (result as { message: string }).message);
      expect(messages.filter((message) => message === 'unknown action call')).to.have.length(900);
      expect(messages.filter((message) => message === 'invalid number of parameters')).to.have.length(100);
      await expectIdle(gateway);
      await waitUntil('no descriptor stays open', () => gateway.countOpenFiles() <= before);
    });

    it('a hundred runs end when their clients disconnect at once', async () => {
      await expectIdle(gateway);
      const before = gateway.countOpenFiles();
      const clients = await Promise.all(
        Array.from({ length: 100 }, () =>
          connectRawClient(gateway.wsUrl, { early: encodeJsonFrame({ call: 'sleep' }) }),
        ),
      );
      await Promise.all(clients.map(({ next }) => next()));
      for (const { socket } of clients) socket.resetAndDestroy();
      await expectIdle(gateway, 20_000);
      const runs = await getNewestRuns(gateway, 100);
      expect(runs.filter(({ outcome, cleanup }) => outcome === 'cancelled' && cleanup?.clean === true)).to.have.length(
        100,
      );
      await waitUntil('no descriptor stays open', () => gateway.countOpenFiles() <= before);
    });
  });

  it('a session over the limit is rejected with a clear message', async () => {
    const gateway = await startTestGateway(`${calls}limits: { sessionsMax: 100 }\n`);
    const before = readdirSync('/proc/self/fd').length;
    const clients = await Promise.all(Array.from({ length: 300 }, () => connectRawClient(gateway.wsUrl)));
    expect(clients.filter(({ status }) => status === 101)).to.have.length(100);
    expect(clients.filter(({ status }) => status === 503)).to.have.length(200);
    expect((await getStatus(gateway)).sessions).to.equal(100);
    for (const { socket } of clients) socket.destroy();
    await expectIdle(gateway);
    // The connection that reads the status may need one more descriptor.
    await waitUntil('no descriptor stays open', () => readdirSync('/proc/self/fd').length <= before + 2);
    await gateway.stop();
  });

  it('frames stay whole when all kinds of messages share one socket', async () => {
    const gateway = await startTestGateway(`${calls}limits: { pingMs: 10ms, clientTimeoutMs: 30s }\n`);
    await fillSocket(await connectRawClient(gateway.wsUrl, { headers: { 'Sec-WebSocket-Protocol': 'distillery.v2' } }));
    await expectIdle(gateway);
    await gateway.stop();
  });
});

async function connectSocket(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

async function expectNumberedLines(client: RawClient, lines: number, between: (count: number) => void): Promise<void> {
  for (let count = 1; count <= lines; count++) {
    const frame = await client.next();
    if (frame?.opcode !== 'text' || frame.payload.toString() !== String(count))
      throw new Error(`line ${count} is ${frame?.opcode} ${frame?.payload.subarray(0, 100)}`);
    between(count);
  }
  expect(findResult(await readUntilClose(client))).to.deep.equal({ success: true });
}

/**
 * Sends lines of many sizes through `cat`, with pings in both directions, and with credit and announcements between
 * them. The strict parser of the client fails the test if a frame is broken.
 */
async function fillSocket(client: RawClient): Promise<void> {
  const lines = 4_000;
  const line = (at: number): string => `${at} `.padEnd(at % 97 === 0 ? 70_000 : at % 7 === 0 ? 3_000 : at % 130, 'ü');
  const traffic = { sent: 0, sentBytes: 0, taken: 0, echoed: 0, pongs: 0, pings: 0, credits: 0 };
  const sendMoreLines = (): void => {
    while (traffic.sent < lines && traffic.sentBytes - traffic.taken < 400_000) {
      const text = line(traffic.sent++);
      traffic.sentBytes += Buffer.byteLength(text) + 1;
      client.write(encodeFrame('ping', String(traffic.sent)), encodeFrame('text', text));
    }
    if (traffic.sent === lines) client.sendControl({ signal: 'close' });
  };
  client.sendControl({ call: 'cat' });
  sendMoreLines();
  const frames = await readFrames(client, (frame) => {
    if (frame.opcode === 'text') expect(frame.payload.toString()).to.equal(line(traffic.echoed++));
    if (frame.opcode === 'pong') traffic.pongs += 1;
    if (frame.opcode === 'ping') {
      traffic.pings += 1;
      client.write(encodeFrame('pong', frame.payload));
    }
    const message =
      frame.opcode === 'binary' ? (JSON.parse(frame.payload.toString()) as { input?: { taken: number } }) : {};
    if (message.input === undefined) return;
    traffic.credits += 1;
    traffic.taken = message.input.taken;
    if (traffic.sent < lines) sendMoreLines();
  });
  expect(frames).to.include({ success: true, next: lines + 1 });
  expect(traffic).to.include({ echoed: lines, taken: traffic.sentBytes });
  expect(traffic.pongs).to.be.above(0);
  expect(traffic.pings).to.be.above(0);
}

/** Passes every frame to `show`. Returns the last binary frame as JSON. */
async function readFrames(client: RawClient, show: (frame: Frame) => void): Promise<Readonly<Record<string, unknown>>> {
  let last: Readonly<Record<string, unknown>> = {};
  for (let frame = await client.next(); frame !== undefined; frame = await client.next()) {
    if (frame.opcode === 'binary') last = JSON.parse(frame.payload.toString()) as typeof last;
    if (frame.opcode === 'close') client.write(encodeFrame('close', frame.payload));
    else show(frame);
  }
  return last;
}
