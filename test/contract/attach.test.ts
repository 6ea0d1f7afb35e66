// Tests runs that outlive their sessions in `distillery.v2`: clients attach, detach, resume, send input, and stop runs.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { expectIdle } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { connectWsClient, type ReceivedMessage, type WsClient } from '../helpers/websocket/ws-client.ts';

const waitForFile = 'while [ ! -e "$0" ]; do sleep 0.02; done';

describe('a run that outlives its sessions', () => {
  let folder: string;
  let gateway: TestGateway;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'attach-'));
    const anyPolicy = '{ default: cancel, allow: [detach, "grace:60s"] }';
    gateway = await startTestGateway(`
calls:
  count: { process: [seq, '1', '1000'] }
  gated:
    params: [{ name: gate }]
    process: [sh, -c, 'seq 1 100; ${waitForFile}; seq 101 200', "\${gate}"]
    onDisconnect: ${anyPolicy}
  both: { process: [sh, -c, 'echo a; sleep 0.05; echo b >&2; sleep 0.05; echo c'] }
  cat: { process: [cat], onDisconnect: ${anyPolicy} }
  sleep: { process: [sh, -c, 'echo ready; exec sleep 60'], onDisconnect: ${anyPolicy} }
  tied: { process: [sh, -c, 'echo ready; exec sleep 60'] }
  screen: { terminal: [sh, -c, 'stty -echo; printf "äöü"; read x; printf "ß%s" "$x"'], onDisconnect: ${anyPolicy} }
`);
  });
  after(async () => {
    await gateway.stop();
    await rm(folder, { recursive: true });
  });
  afterEach(() => expectIdle(gateway));

  const connectV2 = (): Promise<WsClient> => connectWsClient(gateway.wsUrl, ['distillery.v2']);
  const getRecord = (run: string): Promise<Record<string, unknown>> =>
    gateway.getJson(`/api/v1/http/runs/${run}`) as Promise<Record<string, unknown>>;
  const waitForState = (run: string, state: string): Promise<unknown> =>
    waitUntil(`${run} is ${state}`, async () => (await getRecord(run))['state'] === state);
  /** Starts a call and waits until its run is announced. */
  const startCall = async (call: object): Promise<{ client: WsClient; run: string }> => {
    const client = await connectV2();
    client.sendControl(call);
    const message = (await client.next()) as { json: { run: { id: string } } };
    return { client, run: message.json.run.id };
  };
  const attachClient = async (message: object): Promise<WsClient> => {
    const client = await connectV2();
    client.sendControl(message);
    return client;
  };
  const nextLine = async (client: WsClient): Promise<string> => {
    for (;;) {
      const message: ReceivedMessage = await client.next();
      if ('text' in message) return message.text;
      if ('closed' in message) throw new Error('closed');
    }
  };
  const nextJsonWith = async (client: WsClient, key: string): Promise<Record<string, unknown>> => {
    for (;;) {
      const message: ReceivedMessage = await client.next();
      if ('json' in message && key in message.json) return message.json[key] as Record<string, unknown>;
      if ('closed' in message) throw new Error(`closed before ${key}`);
    }
  };

  it('a client that attaches after the end receives the run from any line', async () => {
    const { client, run } = await startCall({ call: 'count' });
    await client.readToEnd();
    for (const after of [0, 1, 500, 999, 1000]) {
      const { texts, json, code } = await (await attachClient({ attach: run, after })).readToEnd();
      expect(texts, `after ${after}`).to.deep.equal(
        Array.from({ length: 1000 - after }, (_, i) => String(after + i + 1)),
      );
      expect(json[0], `after ${after}`).to.deep.equal({
        run: { id: run, call: 'count', state: 'ended', next: after + 1 },
      });
      expect(json.at(-1)).to.deep.include({ success: true, status: 'succeeded', next: 1001, exitCode: 0 });
      expect(code).to.equal(1000);
    }
  });

  it('a client can attach at the last lines of a run, or at new output only', async () => {
    const { client, run } = await startCall({ call: 'count' });
    await client.readToEnd();
    expect((await (await attachClient({ attach: run, last: 3 })).readToEnd()).texts).to.deep.equal([
      '998',
      '999',
      '1000',
    ]);
    expect((await (await attachClient({ attach: run, last: 0 })).readToEnd()).texts).to.deep.equal([]);
    expect((await (await attachClient({ attach: run, last: 5000 })).readToEnd()).texts).to.have.length(1000);
  });

  it('a client that attaches receives the events after its cursor', async () => {
    const { client, run } = await startCall({ call: 'both' });
    await client.readToEnd();
    const { texts, json } = await (await attachClient({ attach: run, after: 1 })).readToEnd();
    expect(texts).to.deep.equal(['b', 'c']);
    const events = json.filter((message) => 'event' in message).map(({ event }) => event) as {
      type: string;
      at: number;
    }[];
    expect(events.filter(({ type }) => type === 'stream').map(({ at }) => at)).to.deep.equal([1, 2]);
  });

  it('a client resumes at the exact line after a lost connection, even if it sends its call again', async () => {
    const file = join(folder, 'gate-1');
    const call = { call: 'gated', params: [file], run: 'gated-1', onDisconnect: 'detach' };
    const { client } = await startCall(call);
    expect(await nextLine(client)).to.equal('1');
    client.ws.terminate();
    const again = await attachClient({ ...call, after: 40 });
    const other = await attachClient({ attach: 'gated-1', after: 99 });
    expect(await nextLine(again)).to.equal('41');
    expect(await nextLine(other)).to.equal('100');
    await writeFile(file, '');
    expect((await again.readToEnd()).texts).to.deep.equal(Array.from({ length: 159 }, (_, i) => String(i + 42)));
    const rest = await other.readToEnd();
    expect(rest.texts).to.deep.equal(Array.from({ length: 100 }, (_, i) => String(i + 101)));
    expect(rest.json.at(-1)).to.include({ success: true, status: 'succeeded' });
    const runs = ((await gateway.getJson('/api/v1/http/runs')) as { runs: { call: string }[] }).runs;
    expect(runs.filter((one) => one.call === 'gated')).to.have.length(1);
  });

  it('a run continues after detach and stops when another session cancels it', async () => {
    const { client, run } = await startCall({ call: 'sleep' });
    expect(await nextLine(client)).to.equal('ready');
    client.sendControl({ signal: 'detach' });
    const { json, code } = await client.readToEnd();
    expect(json.at(-1)).to.deep.equal({ success: true, status: 'detached', next: 2 });
    expect(code).to.equal(1000);
    expect(await getRecord(run)).to.include({ state: 'running' });
    const other = await attachClient({ attach: run, last: 0 });
    await nextJsonWith(other, 'run');
    other.sendControl({ signal: 'cancel' });
    const result = (await other.readToEnd()).json.at(-1);
    expect(result).to.deep.include({ success: false, status: 'cancelled' });
    expect(result).to.have.nested.property('cleanup.clean', true);
  });

  it('a session that requests a detach gets a notice and stays attached if the call does not allow it', async () => {
    const { client } = await startCall({ call: 'tied' });
    client.sendControl({ signal: 'detach' });
    expect(await nextJsonWith(client, 'notice')).to.include({ code: 'detach-refused' });
    client.sendControl({ signal: 'cancel' });
    expect((await client.readToEnd()).json.at(-1)).to.include({ status: 'cancelled' });
  });

  it('a call rejects a disconnect policy that it does not allow and names those it allows', async () => {
    const { json } = await (await attachClient({ call: 'tied', onDisconnect: 'detach' })).readToEnd();
    expect(json).to.deep.equal([
      {
        success: false,
        status: 'rejected',
        message: '"tied" does not allow "detach" on disconnect; it allows cancel, grace:1m',
        next: 1,
      },
    ]);
  });

  it('a run is cancelled when its owner disconnects, even if others watch', async () => {
    const { client, run } = await startCall({ call: 'tied' });
    expect(await nextLine(client)).to.equal('ready');
    const other = await attachClient({ attach: run });
    expect(await nextLine(other)).to.equal('ready');
    client.ws.terminate();
    expect((await other.readToEnd()).json.at(-1)).to.include({
      status: 'cancelled',
      message: 'cancelled: client disconnected',
    });
  });

  it('a run is cancelled unless a client returns within the grace', async () => {
    const { client, run } = await startCall({ call: 'sleep', onDisconnect: 'grace:50ms' });
    expect(await nextLine(client)).to.equal('ready');
    client.ws.terminate();
    await waitForState(run, 'ended');
    expect(await getRecord(run)).to.include({ outcome: 'cancelled', message: 'cancelled: client disconnected' });
    const file = join(folder, 'gate-2');
    const second = await startCall({ call: 'gated', params: [file], onDisconnect: 'grace:20s' });
    second.client.ws.terminate();
    const back = await attachClient({ attach: second.run, after: 100, input: true });
    await nextJsonWith(back, 'run');
    await writeFile(file, '');
    expect((await back.readToEnd()).json.at(-1)).to.include({ status: 'succeeded' });
  });

  it('T1: a session whose input was taken can take it back, any number of times', async () => {
    const { client, run } = await startCall({ call: 'cat', onDisconnect: 'detach' });
    const other = await attachClient({ attach: run });
    expect(await nextJsonWith(other, 'run')).not.to.have.property('input');
    let received = 0;
    for (const [taker, loser] of [
      [other, client],
      [client, other],
      [other, client],
    ] as const) {
      taker.sendControl({ signal: 'input' });
      expect(await nextJsonWith(loser, 'notice')).to.include({ code: 'input-taken' });
      let announced = await nextJsonWith(taker, 'run');
      while (announced['input'] !== true) announced = await nextJsonWith(taker, 'run');
      loser.sendText('lost');
      taker.sendText('one');
      received += 4;
      for (const each of [taker, loser]) expect(await nextLine(each)).to.equal('one');
      taker.sendControl({ signal: 'input' });
    }
    expect((await getRecord(run)) as { state: string }).to.include({ state: 'running' });
    other.sendControl({ signal: 'close' });
    const { json } = await client.readToEnd();
    expect(json.at(-1)).to.include({ status: 'succeeded', next: 1 + received / 4 });
    await other.readToEnd();
  });

  it('a run accepts input from one session at a time, and that session learns how much input has arrived', async () => {
    const { client, run } = await startCall({ call: 'cat', onDisconnect: 'detach' });
    client.sendText('one');
    expect(await nextLine(client)).to.equal('one');
    const other = await attachClient({ attach: run, after: 1, input: true });
    expect(await nextJsonWith(other, 'run')).to.include({ id: run, next: 2, input: true });
    expect(await nextJsonWith(other, 'input')).to.deep.equal({ taken: 4, received: 4 });
    expect(await nextJsonWith(client, 'notice')).to.include({ code: 'input-taken' });
    client.sendText('lost');
    other.sendText('two');
    expect(await nextLine(other)).to.equal('two');
    other.sendControl({ signal: 'close' });
    expect((await other.readToEnd()).json.at(-1)).to.include({ status: 'succeeded', next: 3 });
    expect((await client.readToEnd()).texts).to.deep.equal(['two']);
  });

  it('a watching session that writes input gets one notice, and the run receives nothing', async () => {
    const { client, run } = await startCall({ call: 'cat' });
    const other = await attachClient({ attach: run });
    await nextJsonWith(other, 'run');
    other.sendText('not mine');
    other.sendText('nor this');
    expect(await nextJsonWith(other, 'notice')).to.include({ code: 'read-only' });
    client.sendText('mine');
    client.sendControl({ signal: 'close' });
    const { texts, json } = await other.readToEnd();
    expect(texts).to.deep.equal(['mine']);
    expect(json.filter((message) => 'notice' in message)).to.have.length(0);
    expect((await client.readToEnd()).texts).to.deep.equal(['mine']);
  });

  it('a run continues when a watcher breaks the protocol', async () => {
    const { client, run } = await startCall({ call: 'cat' });
    const other = await attachClient({ attach: run });
    await nextJsonWith(other, 'run');
    other.sendControl({ nonsense: true });
    const { json, code } = await other.readToEnd();
    expect(json.at(-1)).to.deep.equal({
      success: false,
      status: 'detached',
      message: 'protocol error: unknown control message',
      next: 1,
    });
    expect(code).to.equal(1002);
    client.sendText('still here');
    client.sendControl({ signal: 'close' });
    expect((await client.readToEnd()).texts).to.deep.equal(['still here']);
  });

  it('a client that attaches to a terminal receives its bytes', async () => {
    const { client, run } = await startCall({ call: 'screen', onDisconnect: 'detach' });
    expect(await nextLine(client)).to.equal('äöü');
    client.ws.terminate();
    const other = await attachClient({ attach: run, after: 4, input: true });
    expect(await nextJsonWith(other, 'run')).to.include({ next: 5, terminal: true });
    expect(await nextLine(other)).to.equal('ü');
    other.sendText('x\r');
    const { texts, json } = await other.readToEnd();
    expect(texts.join('')).to.equal('ßx');
    expect(json.at(-1)).to.include({ status: 'succeeded', next: 10 });
  });

  it('a client cannot attach to an unknown run', async () => {
    const { json, code } = await (await attachClient({ attach: 'unknown-run' })).readToEnd();
    expect(json).to.deep.equal([{ success: false, status: 'rejected', message: 'no such run "unknown-run"', next: 1 }]);
    expect(code).to.equal(1000);
  });

  for (const message of [
    { attach: '../up' },
    { attach: 7 },
    { attach: 'x', after: -1 },
    { attach: 'x', after: 1, last: 1 },
    { attach: 'x', last: 0.5 },
    { attach: 'x', input: 'yes' },
  ]) {
    it(`the gateway rejects ${JSON.stringify(message)} as an attach message`, async () => {
      const { json, code } = await (await attachClient(message)).readToEnd();
      expect(json.at(-1)).to.include({ status: 'rejected', message: 'protocol error: first message is not a call' });
      expect(code).to.equal(1002);
    });
  }
});
