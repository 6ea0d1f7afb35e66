// Clients that send what they must not, too much, too fast, too slowly or nothing: each gets a clear answer, and leaves nothing behind.
// The rest of what may be said wrongly on a websocket is in test/vectors.

import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { nastyValues } from '../calls/nasty.ts';
import { sharedEngine } from '../helpers/engine.ts';
import { encodeFrame, type Frame } from '../helpers/frames.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { handshake, rawClient, type RawClient } from '../helpers/raw-client.ts';
import { serveGateway, type ServedGateway } from '../helpers/served.ts';
import { newestEnded, newestRuns, settled, statusOf } from '../helpers/settled.ts';
import { soon, until } from '../helpers/until.ts';
import { wsClient } from '../helpers/ws-client.ts';

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

const frameOf = (message: object): Buffer => encodeFrame('binary', JSON.stringify(message));

/** Everything before Close, which is answered; resolves when the connection has ended. */
async function answered(client: RawClient): Promise<readonly Frame[]> {
  const heard: Frame[] = [];
  for (let frame = await client.next(); frame !== undefined; frame = await client.next()) {
    if (frame.opcode === 'close') client.write(encodeFrame('close', frame.payload)); else heard.push(frame);
  }
  return heard;
}

const resultOf = (frames: readonly Frame[]): unknown => JSON.parse(String(frames.findLast(({ opcode }) => opcode === 'binary')?.payload));

describe('bad input', function () {
  this.timeout(60_000);

  describe('in params', () => {
    let gateway: TestGateway;
    before(async () => {
      gateway = await startTestGateway(`${calls}
  shown: { params: [{ name: value }], container: { image: "busybox:latest", command: [printf, '<%s>', "\${value}"], network: none } }
  typed: { params: [{ name: value }], terminal: [printf, '<%s>', "\${value}"] }
docker: { host: ${JSON.stringify(await sharedEngine())} }
`);
    });
    after(() => gateway.stop());
    afterEach(() => settled(gateway));

    const shownBy = async (call: string, value: string): Promise<string> => {
      const client = await wsClient(gateway.wsUrl);
      client.control({ call, params: [value] });
      const { texts, json } = await client.rest();
      expect(json).to.deep.equal([{ success: true }]);
      return texts.join('\n');
    };

    for (const value of nastyValues) {
      it(`reaches a process as it was sent: ${JSON.stringify(value)}`, async () => {
        expect(await shownBy('show', value)).to.equal(`<${value}>`);
      });
    }

    it('reaches a terminal as it was sent', async () => {
      const values = nastyValues.filter((value) => !/[\n\t]/.test(value));
      expect(await Promise.all(values.map((value) => shownBy('typed', value)))).to.deep.equal(values.map((value) => `<${value}>`));
    });

    it('reaches a container as it was sent', async () => {
      const values = nastyValues.filter((value) => /[$`\n-]/.test(value)).slice(0, 6);
      expect(await Promise.all(values.map((value) => shownBy('shown', value)))).to.deep.equal(values.map((value) => `<${value}>`));
    });

    it('cannot hold a NUL, which no argument can', async () => {
      for (const call of ['show', 'shown', 'typed']) {
        const client = await wsClient(gateway.wsUrl);
        client.control({ call, params: ['a\0b'] });
        const { json: [result], code } = await client.rest();
        expect(result?.['success'], call).to.equal(false);
        expect(String(result?.['message']), call).to.match(/NUL|null|zero/i).and.not.to.equal('unknown error');
        expect(code, call).to.equal(1000);
      }
    });

    it('takes half a surrogate pair for a broken character', async () => {
      const client = await rawClient(gateway.wsUrl);
      client.write(encodeFrame('binary', '{"call":"show","params":["a\\ud83d"]}'));
      expect((await answered(client))[0]?.payload.toString()).to.equal('<a\ufffd>');
    });
  });

  describe('from clients that keep silent', () => {
    let gateway: TestGateway;
    before(async () => { gateway = await startTestGateway(`${calls}limits: { requestMs: 300ms, firstCallMs: 1s, pingMs: 50ms, lostMs: 1s, graceMs: 1s }\n`); });
    after(() => gateway.stop());
    afterEach(() => settled(gateway));

    for (const [what, bytes] of [['nothing at all', 0], ['half a handshake', 60], ['a handshake without its last line', -2]] as const) {
      it(`hangs up on a connection with ${what}`, async () => {
        const { port, host } = new URL(gateway.url);
        const socket = await connected(Number(port));
        socket.write(handshake(host).slice(0, bytes));
        const ended = soon('the end of the connection', once(socket, 'close'), 5_000);
        let heard = '';
        socket.on('data', (piece) => { heard += String(piece); });
        await ended;
        expect(heard).to.match(/^(HTTP\/1\.1 408 [\s\S]*|)$/);
      });
    }

    it('tells a client that never sends the call, and hangs up', async () => {
      const client = await rawClient(gateway.wsUrl);
      const frames = (await client.rest()).filter(({ opcode }) => opcode !== 'ping');
      expect(frames.map(({ opcode }) => opcode)).to.deep.equal(['binary', 'close']);
      expect(resultOf(frames)).to.deep.equal({ success: false, message: 'timeout reading the first message' });
    });

    for (const reads of [true, false]) {
      it(`loses a client that answers no ping${reads ? '' : ' and reads nothing'}, and ends its run`, async () => {
        const client = await rawClient(gateway.wsUrl);
        client.control({ call: 'sleep' });
        let frame = await client.next();
        while (frame?.opcode === 'ping') frame = await client.next();
        expect(frame?.payload.toString()).to.equal('ready');
        if (!reads) client.socket.pause();
        await settled(gateway, 5_000);
        expect(await newestEnded(gateway)).to.include({ outcome: 'cancelled', message: 'cancelled: client disconnected' });
        client.socket.resume();
        await soon('the end of the connection', client.closed);
      });
    }

    it('keeps a client that only answers pings', async () => {
      const client = await wsClient(gateway.wsUrl);
      client.control({ call: 'sleep' });
      expect(await client.line()).to.equal('ready');
      let pings = 0;
      client.ws.on('ping', () => { pings += 1; });
      await until('it was pinged for longer than lostMs', () => pings >= 25);
      client.control({ signal: 'cancel' });
      expect((await client.rest()).code).to.equal(1000);
    });

    it('drops the connection of a client that does not answer Close', async () => {
      const client = await rawClient(gateway.wsUrl);
      client.control({ call: 'none' });
      expect((await soon('the end of the connection', client.rest(), 3_000)).map(({ opcode }) => opcode)).to.deep.equal(['binary', 'close']);
    });
  });

  describe('from clients that read slowly', () => {
    let gateway: TestGateway;
    let impatient: TestGateway;
    before(async () => {
      gateway = await startTestGateway(`${calls}limits: { writeStallMs: 30s, graceMs: 1s }\n`);
      impatient = await startTestGateway(`${calls}limits: { writeStallMs: 500ms, graceMs: 1s }\n`);
    });
    after(() => Promise.all([gateway.stop(), impatient.stop()]));
    afterEach(() => settled(gateway));

    it('loses one that reads nothing for too long, and ends its run', async () => {
      const client = await rawClient(impatient.wsUrl);
      client.control({ call: 'endless' });
      await client.next();
      client.socket.pause();
      await settled(impatient);
      expect(await newestEnded(impatient)).to.include({ outcome: 'cancelled', message: 'cancelled: client disconnected' });
      client.socket.destroy();
    });

    it('loses one that reads nothing although it keeps talking', async () => {
      const client = await rawClient(impatient.wsUrl);
      client.control({ call: 'endless' });
      await client.next();
      client.socket.pause();
      const talk = setInterval(() => client.write(encodeFrame('ping', 'still here'), encodeFrame('text', 'and typing')), 20);
      await settled(impatient).finally(() => clearInterval(talk));
      expect((await newestEnded(impatient)).outcome).to.equal('cancelled');
      client.socket.destroy();
    });

    it('gives every line to one that stalls for less', async () => {
      const client = await rawClient(gateway.wsUrl);
      client.control({ call: 'count', params: ['2000000'] });
      client.socket.pause();
      await until('the run has ended', async () => (await newestRuns(gateway))[0]?.state === 'ended');
      client.socket.resume();
      await expectCounted(client, 2_000_000, () => {});
      expect(await newestEnded(gateway)).to.include({ outcome: 'succeeded', lines: 2_000_000 });
    });

    it('gives every line to one that reads a little at a time', async () => {
      const client = await rawClient(gateway.wsUrl);
      client.control({ call: 'count', params: ['500000'] });
      await expectCounted(client, 500_000, (count) => {
        if (count % 20_000 !== 0) return;
        client.socket.pause();
        setTimeout(() => client.socket.resume(), 20);
      });
      expect((await newestEnded(gateway)).outcome).to.equal('succeeded');
    });

    it('answers more pings than are read, each or the last of them', async () => {
      const client = await rawClient(gateway.wsUrl);
      client.control({ call: 'cat' });
      client.write(...Array.from({ length: 20_000 }, (_, at) => encodeFrame('ping', String(at))));
      client.control({ signal: 'close' });
      const frames = await answered(client);
      expect(resultOf(frames)).to.deep.equal({ success: true });
      const pongs = frames.filter(({ opcode }) => opcode === 'pong').map(({ payload }) => Number(payload));
      expect(pongs).to.deep.equal([...pongs].sort((a, b) => a - b)).and.to.include(19_999);
    });
  });

  describe('in masses', () => {
    let gateway: ServedGateway;
    before(async () => { gateway = await serveGateway(`${calls}limits: { graceMs: 1s }\n`); });
    after(async () => { expect(await gateway.stop()).to.equal(0); });
    afterEach(() => settled(gateway));

    it('carries a line of a gigabyte in frames of a mebibyte, in little memory', async () => {
      const client = await rawClient(gateway.wsUrl);
      gateway.forgetPeak();
      const before = gateway.memory().now;
      client.control({ call: 'gigabyte' });
      const lengths: number[] = [];
      for (let frame = await client.next(); frame?.opcode === 'text'; frame = await client.next()) lengths.push(frame.payload.length);
      client.socket.destroy();
      expect(lengths).to.have.length(954);
      expect(new Set(lengths.slice(0, -1))).to.deep.equal(new Set([1 << 20]));
      expect(lengths.reduce((sum, length) => sum + length, 0)).to.equal(1_000_000_000);
      expect((gateway.memory().peak - before) / 2 ** 20, 'mebibytes').to.be.below(128);
    });

    it('needs little memory for a client that reads nothing', async () => {
      const client = await rawClient(gateway.wsUrl);
      gateway.forgetPeak();
      const before = gateway.memory().now;
      client.socket.pause();
      client.control({ call: 'pile' });
      await until('the process has written all', async () => (await newestRuns(gateway))[0]?.state === 'ended', 20_000);
      expect((gateway.memory().peak - before) / 2 ** 20, 'mebibytes').to.be.below(128);
      client.socket.destroy();
    });

    it('serves a thousand clients that come at once, and keeps no descriptor', async () => {
      const visit = async (call: string): Promise<unknown> => {
        const client = await rawClient(gateway.wsUrl, { early: frameOf({ call }) });
        return resultOf(await answered(client));
      };
      await visit('none');
      await settled(gateway);
      const before = gateway.descriptors();
      const results = await Promise.all(Array.from({ length: 1000 }, (_, at) => visit(at % 10 === 0 ? 'count' : 'none')));
      const messages = results.map((result) => (result as { message: string }).message);
      expect(messages.filter((message) => message === 'unknown action call')).to.have.length(900);
      expect(messages.filter((message) => message === 'invalid number of parameters')).to.have.length(100);
      await settled(gateway);
      await until('no descriptor stays', () => gateway.descriptors() <= before);
    });

    it('ends a hundred runs of clients that vanish at once', async () => {
      await settled(gateway);
      const before = gateway.descriptors();
      const clients = await Promise.all(Array.from({ length: 100 }, () => rawClient(gateway.wsUrl, { early: frameOf({ call: 'sleep' }) })));
      await Promise.all(clients.map(({ next }) => next()));
      for (const { socket } of clients) socket.resetAndDestroy();
      await settled(gateway, 20_000);
      const runs = await newestRuns(gateway, 100);
      expect(runs.filter(({ outcome, cleanup }) => outcome === 'cancelled' && cleanup?.clean === true)).to.have.length(100);
      await until('no descriptor stays', () => gateway.descriptors() <= before);
    });
  });

  it('refuses clearly what is beyond the number of sessions', async () => {
    const gateway = await startTestGateway(`${calls}limits: { sessionsMax: 100 }\n`);
    const before = readdirSync('/proc/self/fd').length;
    const clients = await Promise.all(Array.from({ length: 300 }, () => rawClient(gateway.wsUrl)));
    expect(clients.filter(({ status }) => status === 101)).to.have.length(100);
    expect(clients.filter(({ status }) => status === 503)).to.have.length(200);
    expect((await statusOf(gateway)).sessions).to.equal(100);
    for (const { socket } of clients) socket.destroy();
    await settled(gateway);
    // One more may be the connection over which the status is asked.
    await until('no descriptor stays', () => readdirSync('/proc/self/fd').length <= before + 2);
    await gateway.stop();
  });

  it('keeps frames whole while everything goes over one socket', async () => {
    const gateway = await startTestGateway(`${calls}limits: { pingMs: 10ms, lostMs: 30s }\n`);
    await busySocket(await rawClient(gateway.wsUrl, { headers: { 'Sec-WebSocket-Protocol': 'distillery.v2' } }));
    await settled(gateway);
    await gateway.stop();
  });
});

async function connected(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

async function expectCounted(client: RawClient, lines: number, between: (count: number) => void): Promise<void> {
  for (let count = 1; count <= lines; count++) {
    const frame = await client.next();
    if (frame?.opcode !== 'text' || frame.payload.toString() !== String(count)) throw new Error(`line ${count} is ${frame?.opcode} ${frame?.payload.subarray(0, 100)}`);
    between(count);
  }
  expect(resultOf(await answered(client))).to.deep.equal({ success: true });
}

/** Lines of every size go to `cat` and come back, pings both ways, credit and announcements between them. The client's parser is strict. */
async function busySocket(client: RawClient): Promise<void> {
  const lines = 4_000;
  const line = (at: number): string => `${at} `.padEnd(at % 97 === 0 ? 70_000 : at % 7 === 0 ? 3_000 : at % 130, 'ü');
  const traffic = { sent: 0, sentBytes: 0, taken: 0, echoed: 0, pongs: 0, pings: 0, credits: 0 };
  const feed = (): void => {
    while (traffic.sent < lines && traffic.sentBytes - traffic.taken < 400_000) {
      const text = line(traffic.sent++);
      traffic.sentBytes += Buffer.byteLength(text) + 1;
      client.write(encodeFrame('ping', String(traffic.sent)), encodeFrame('text', text));
    }
    if (traffic.sent === lines) client.control({ signal: 'close' });
  };
  client.control({ call: 'cat' });
  feed();
  const frames = await take(client, (frame) => {
    if (frame.opcode === 'text') expect(frame.payload.toString()).to.equal(line(traffic.echoed++));
    if (frame.opcode === 'pong') traffic.pongs += 1;
    if (frame.opcode === 'ping') {
      traffic.pings += 1;
      client.write(encodeFrame('pong', frame.payload));
    }
    const said = frame.opcode === 'binary' ? JSON.parse(frame.payload.toString()) as { input?: { taken: number } } : {};
    if (said.input === undefined) return;
    traffic.credits += 1;
    traffic.taken = said.input.taken;
    if (traffic.sent < lines) feed();
  });
  expect(frames).to.include({ success: true, next: lines + 1 });
  expect(traffic).to.include({ echoed: lines, taken: traffic.sentBytes });
  expect(traffic.pongs).to.be.above(0);
  expect(traffic.pings).to.be.above(0);
}

/** Shows every frame, and gives the last binary one. */
async function take(client: RawClient, show: (frame: Frame) => void): Promise<Readonly<Record<string, unknown>>> {
  let last: Readonly<Record<string, unknown>> = {};
  for (let frame = await client.next(); frame !== undefined; frame = await client.next()) {
    if (frame.opcode === 'binary') last = JSON.parse(frame.payload.toString()) as typeof last;
    if (frame.opcode === 'close') client.write(encodeFrame('close', frame.payload)); else show(frame);
  }
  return last;
}
