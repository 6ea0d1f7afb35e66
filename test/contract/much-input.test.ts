// Tests input that arrives faster than a call reads it. Nothing is lost in any dialect, and a cancel acts at once.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { expectIdle, waitForNewestRun } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { connectWsClient, type WsClient } from '../helpers/websocket/ws-client.ts';

const yaml = `
calls:
  cat: { process: [cat] }
  slow: { process: [sh, -c, 'echo ready; read go; cat'] }
  deaf: { process: [sh, -c, 'echo ready; exec sleep 60'] }
  screen: { terminal: [sh, -c, 'stty raw -echo; echo ready; head -c 2000000 | wc -c'] }
  single: { process: [cat], concurrency: { limit: 1 } }
`;
const dialects = [
  { name: 'v1', offered: [], newline: '' },
  { name: 'pow-1', offered: ['pow-1'], newline: '\n' },
  { name: 'distillery.v2', offered: ['distillery.v2'], newline: '' },
];

/** The input: a thousand lines, each sent as one text frame. */
const lines = Array.from({ length: 1000 }, (_, i) => `${i} `.padEnd(2000, 'x'));

/** The folders that runs have created, such as those of their input files. */
function inputFolders({ folder }: TestGateway): readonly string[] {
  const work = join(folder, 'data', 'work');
  return existsSync(work) ? readdirSync(work) : [];
}

describe('more input than fits into memory', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  after(() => gateway.stop());
  afterEach(async () => {
    await expectIdle(gateway);
    expect(inputFolders(gateway)).to.deep.equal([]);
  });

  for (const { name, offered, newline } of dialects) {
    const connect = (): Promise<WsClient> => connectWsClient(gateway.wsUrl, offered);

    it(`P7: a ${name} client receives back 1000 frames of 2000 bytes that it sent at once`, async () => {
      const client = await connect();
      client.sendControl({ call: 'cat' });
      for (const line of lines) client.sendText(line + newline);
      client.sendControl({ signal: 'close' });
      const { texts, json, code } = await client.readToEnd();
      const received = newline === '' ? texts : texts.join('').split('\n').slice(0, -1);
      expect(received).to.deep.equal(lines);
      expect(code).to.equal(1000);
      expect(JSON.stringify(json.at(-1))).to.match(/"success":true|"fulfilled"/);
    });

    it(`P7: a run of a ${name} client stops at a cancel that was sent after 20 MB of unread input`, async () => {
      const client = await connect();
      client.sendControl({ call: 'deaf' });
      for (let i = 0; i < 20; i++) client.sendText('x'.repeat(1_000_000));
      client.sendControl({ signal: 'cancel' });
      const { json } = await client.readToEnd();
      expect(JSON.stringify(json.at(-1))).to.include('cancelled: client requested cancellation');
      const { cleanup } = await waitForNewestRun(gateway);
      expect(cleanup).to.deep.include({ clean: true, left: [] });
      expect(cleanup?.released.map(({ kind }) => kind)).to.include('folder');
    });
  }

  it('P7: a program that begins to read late receives everything', async () => {
    const client = await connectWsClient(gateway.wsUrl);
    client.sendControl({ call: 'slow' });
    expect(await client.nextLine()).to.equal('ready');
    client.sendText('go');
    for (const line of lines) client.sendText(line);
    client.sendControl({ signal: 'close' });
    expect((await client.readToEnd()).texts).to.deep.equal(lines);
  });

  it('P7: a run that waits in the queue receives what was sent before its start', async () => {
    const first = await connectWsClient(gateway.wsUrl);
    first.sendControl({ call: 'single' });
    first.sendText('started');
    expect(await first.nextLine()).to.equal('started');
    const second = await connectWsClient(gateway.wsUrl);
    second.sendControl({ call: 'single' });
    for (const line of lines) second.sendText(line);
    second.sendControl({ signal: 'close' });
    await waitUntil('the input is in the file', () => inputFolders(gateway).length === 1);
    first.sendControl({ signal: 'close' });
    await first.readToEnd();
    expect((await second.readToEnd()).texts).to.deep.equal(lines);
  });

  it('P7: a terminal receives more input than fits into memory', async () => {
    const client = await connectWsClient(gateway.wsUrl, ['pow-1']);
    client.sendControl({ call: 'screen' });
    let text = '';
    while (!text.includes('ready')) text += await client.nextLine();
    for (const line of lines) client.sendText(line);
    const { texts } = await client.readToEnd();
    expect(texts.join('')).to.include('2000000');
  });

  it('P7: the input of two clients that hold the lease one after the other arrives in order', async () => {
    const first = await connectWsClient(gateway.wsUrl, ['distillery.v2']);
    first.sendControl({ call: 'slow', run: 'shared' });
    for (let message = await first.next(); !('text' in message); message = await first.next());
    first.sendText('go');
    for (const line of lines.slice(0, 700)) first.sendText(line);
    first.ws.ping();
    await new Promise((resolve) => first.ws.once('pong', resolve));
    const second = await connectWsClient(gateway.wsUrl, ['distillery.v2']);
    second.sendControl({ attach: 'shared', after: 1, input: true });
    for (const line of lines.slice(700)) second.sendText(line);
    second.sendControl({ signal: 'close' });
    expect((await second.readToEnd()).texts).to.deep.equal(lines);
    await first.readToEnd();
  });
});

describe('the limit of the input file', () => {
  it('P7: more unread input than the limits allow ends the run, and distillery.v2 reports the limit', async () => {
    const gateway = await startTestGateway(`${yaml}\nlimits: { inputBytesMax: 1m, inputFileBytesMax: 2m }\n`);
    try {
      for (const [offered, message] of [
        [[], 'input buffer overflow'],
        [['distillery.v2'], 'cancelled: input buffer overflow: more than 3m are unread'],
      ] as const) {
        const client = await connectWsClient(gateway.wsUrl, offered);
        client.sendControl({ call: 'deaf' });
        for (let i = 0; i < 5; i++) client.sendText('x'.repeat(1_000_000));
        const { json, code } = await client.readToEnd();
        expect(json.at(-1)).to.include({ success: false, message });
        expect(code).to.equal(1008);
      }
      await expectIdle(gateway);
      expect(inputFolders(gateway)).to.deep.equal([]);
    } finally {
      await gateway.stop();
    }
  });
});
