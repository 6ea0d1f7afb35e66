// Runs that outlive their sessions: attached to, left, resumed, fed and stopped by others, in `distillery.v2`.

import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { settled } from '../helpers/settled.ts';
import { until } from '../helpers/until.ts';
import { wsClient, type Heard, type WsClient } from '../helpers/ws-client.ts';

const gate = 'while [ ! -e "$0" ]; do sleep 0.02; done';

describe('a run that outlives its sessions', () => {
  let folder: string;
  let gateway: TestGateway;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'attach-'));
    const open = '{ default: cancel, allow: [detach, "grace:60s"] }';
    gateway = await startTestGateway(`
calls:
  count: { process: [seq, '1', '1000'] }
  gated: { params: [{ name: gate }], process: [sh, -c, 'seq 1 100; ${gate}; seq 101 200', "\${gate}"], onDisconnect: ${open} }
  both: { process: [sh, -c, 'echo a; sleep 0.05; echo b >&2; sleep 0.05; echo c'] }
  cat: { process: [cat], onDisconnect: ${open} }
  sleep: { process: [sh, -c, 'echo ready; exec sleep 60'], onDisconnect: ${open} }
  tied: { process: [sh, -c, 'echo ready; exec sleep 60'] }
  screen: { terminal: [sh, -c, 'stty -echo; printf "äöü"; read x; printf "ß%s" "$x"'], onDisconnect: ${open} }
`);
  });
  after(async () => {
    await gateway.stop();
    await rm(folder, { recursive: true });
  });
  afterEach(() => settled(gateway));

  const open = (): Promise<WsClient> => wsClient(gateway.wsUrl, ['distillery.v2']);
  const record = (run: string): Promise<Record<string, unknown>> => gateway.getJson(`/api/v1/http/runs/${run}`) as Promise<Record<string, unknown>>;
  const inState = (run: string, state: string): Promise<unknown> => until(`${run} is ${state}`, async () => (await record(run))['state'] === state);
  /** Starts a call and waits for its run. */
  const started = async (call: object): Promise<{ client: WsClient; run: string }> => {
    const client = await open();
    client.control(call);
    const said = await client.next() as { json: { run: { id: string } } };
    return { client, run: said.json.run.id };
  };
  const attached = async (message: object): Promise<WsClient> => {
    const client = await open();
    client.control(message);
    return client;
  };
  const lineOf = async (client: WsClient): Promise<string> => {
    for (;;) {
      const said: Heard = await client.next();
      if ('text' in said) return said.text;
      if ('closed' in said) throw new Error('closed');
    }
  };
  const jsonOf = async (client: WsClient, key: string): Promise<Record<string, unknown>> => {
    for (;;) {
      const said: Heard = await client.next();
      if ('json' in said && key in said.json) return said.json[key] as Record<string, unknown>;
      if ('closed' in said) throw new Error(`closed before ${key}`);
    }
  };

  it('is told from any line to those who attach when it is over', async () => {
    const { client, run } = await started({ call: 'count' });
    await client.rest();
    for (const after of [0, 1, 500, 999, 1000]) {
      const { texts, json, code } = await (await attached({ attach: run, after })).rest();
      expect(texts, `after ${after}`).to.deep.equal(Array.from({ length: 1000 - after }, (_, i) => String(after + i + 1)));
      expect(json[0], `after ${after}`).to.deep.equal({ run: { id: run, call: 'count', state: 'ended', next: after + 1 } });
      expect(json.at(-1)).to.deep.include({ success: true, status: 'succeeded', next: 1001, exitCode: 0 });
      expect(code).to.equal(1000);
    }
  });

  it('is told from its last lines, and from now on', async () => {
    const { client, run } = await started({ call: 'count' });
    await client.rest();
    expect((await (await attached({ attach: run, last: 3 })).rest()).texts).to.deep.equal(['998', '999', '1000']);
    expect((await (await attached({ attach: run, last: 0 })).rest()).texts).to.deep.equal([]);
    expect((await (await attached({ attach: run, last: 5000 })).rest()).texts).to.have.length(1000);
  });

  it('tells the events that stand behind the cursor', async () => {
    const { client, run } = await started({ call: 'both' });
    await client.rest();
    const { texts, json } = await (await attached({ attach: run, after: 1 })).rest();
    expect(texts).to.deep.equal(['b', 'c']);
    const events = json.filter((message) => 'event' in message).map(({ event }) => event) as { type: string; at: number }[];
    expect(events.filter(({ type }) => type === 'stream').map(({ at }) => at)).to.deep.equal([1, 2]);
  });

  it('is continued at the exact line after a lost connection, and by a second call with its id', async () => {
    const file = join(folder, 'gate-1');
    const call = { call: 'gated', params: [file], run: 'gated-1', onDisconnect: 'detach' };
    const { client } = await started(call);
    expect(await lineOf(client)).to.equal('1');
    client.ws.terminate();
    const again = await attached({ ...call, after: 40 });
    const other = await attached({ attach: 'gated-1', after: 99 });
    expect(await lineOf(again)).to.equal('41');
    expect(await lineOf(other)).to.equal('100');
    await writeFile(file, '');
    expect((await again.rest()).texts).to.deep.equal(Array.from({ length: 159 }, (_, i) => String(i + 42)));
    const rest = await other.rest();
    expect(rest.texts).to.deep.equal(Array.from({ length: 100 }, (_, i) => String(i + 101)));
    expect(rest.json.at(-1)).to.include({ success: true, status: 'succeeded' });
    const runs = (await gateway.getJson('/api/v1/http/runs') as { runs: { call: string }[] }).runs;
    expect(runs.filter((one) => one.call === 'gated')).to.have.length(1);
  });

  it('goes on when its client says detach, and stops when another asks for that', async () => {
    const { client, run } = await started({ call: 'sleep' });
    expect(await lineOf(client)).to.equal('ready');
    client.control({ signal: 'detach' });
    const { json, code } = await client.rest();
    expect(json.at(-1)).to.deep.equal({ success: true, status: 'detached', next: 2 });
    expect(code).to.equal(1000);
    expect(await record(run)).to.include({ state: 'running' });
    const other = await attached({ attach: run, last: 0 });
    await jsonOf(other, 'run');
    other.control({ signal: 'cancel' });
    const result = (await other.rest()).json.at(-1);
    expect(result).to.deep.include({ success: false, status: 'cancelled' });
    expect(result).to.have.nested.property('cleanup.clean', true);
  });

  it('says that a call does not allow its clients to leave, and stays', async () => {
    const { client } = await started({ call: 'tied' });
    client.control({ signal: 'detach' });
    expect(await jsonOf(client, 'notice')).to.include({ code: 'detach-refused' });
    client.control({ signal: 'cancel' });
    expect((await client.rest()).json.at(-1)).to.include({ status: 'cancelled' });
  });

  it('refuses what a call does not allow on disconnect, naming what it allows', async () => {
    const { json } = await (await attached({ call: 'tied', onDisconnect: 'detach' })).rest();
    expect(json).to.deep.equal([{ success: false, status: 'rejected', message: '"tied" does not allow "detach" on disconnect; it allows cancel, grace:1m', next: 1 }]);
  });

  it('is cancelled with its lost client although others watch', async () => {
    const { client, run } = await started({ call: 'tied' });
    expect(await lineOf(client)).to.equal('ready');
    const other = await attached({ attach: run });
    expect(await lineOf(other)).to.equal('ready');
    client.ws.terminate();
    expect((await other.rest()).json.at(-1)).to.include({ status: 'cancelled', message: 'cancelled: client disconnected' });
  });

  it('is cancelled when nobody comes back within the grace, and not when somebody does', async () => {
    const { client, run } = await started({ call: 'sleep', onDisconnect: 'grace:50ms' });
    expect(await lineOf(client)).to.equal('ready');
    client.ws.terminate();
    await inState(run, 'ended');
    expect(await record(run)).to.include({ outcome: 'cancelled', message: 'cancelled: client disconnected' });
    const file = join(folder, 'gate-2');
    const second = await started({ call: 'gated', params: [file], onDisconnect: 'grace:20s' });
    second.client.ws.terminate();
    const back = await attached({ attach: second.run, after: 100, input: true });
    await jsonOf(back, 'run');
    await writeFile(file, '');
    expect((await back.rest()).json.at(-1)).to.include({ status: 'succeeded' });
  });

  it('is fed by one session at a time, which learns what has arrived', async () => {
    const { client, run } = await started({ call: 'cat', onDisconnect: 'detach' });
    client.text('one');
    expect(await lineOf(client)).to.equal('one');
    const other = await attached({ attach: run, after: 1, input: true });
    expect(await jsonOf(other, 'run')).to.include({ id: run, next: 2, input: true });
    expect(await jsonOf(other, 'input')).to.deep.equal({ taken: 4, received: 4 });
    expect(await jsonOf(client, 'notice')).to.include({ code: 'input-taken' });
    client.text('lost');
    other.text('two');
    expect(await lineOf(other)).to.equal('two');
    other.control({ signal: 'close' });
    expect((await other.rest()).json.at(-1)).to.include({ status: 'succeeded', next: 3 });
    expect((await client.rest()).texts).to.deep.equal(['two']);
  });

  it('does not take input of a session that only watches, and says so once', async () => {
    const { client, run } = await started({ call: 'cat' });
    const other = await attached({ attach: run });
    await jsonOf(other, 'run');
    other.text('not mine');
    other.text('nor this');
    expect(await jsonOf(other, 'notice')).to.include({ code: 'read-only' });
    client.text('mine');
    client.control({ signal: 'close' });
    const { texts, json } = await other.rest();
    expect(texts).to.deep.equal(['mine']);
    expect(json.filter((message) => 'notice' in message)).to.have.length(0);
    expect((await client.rest()).texts).to.deep.equal(['mine']);
  });

  it('goes on when a watcher breaks the protocol', async () => {
    const { client, run } = await started({ call: 'cat' });
    const other = await attached({ attach: run });
    await jsonOf(other, 'run');
    other.control({ nonsense: true });
    const { json, code } = await other.rest();
    expect(json.at(-1)).to.deep.equal({ success: false, status: 'detached', message: 'protocol error: unknown control message', next: 1 });
    expect(code).to.equal(1002);
    client.text('still here');
    client.control({ signal: 'close' });
    expect((await client.rest()).texts).to.deep.equal(['still here']);
  });

  it('is told byte by byte to those who attach to a terminal', async () => {
    const { client, run } = await started({ call: 'screen', onDisconnect: 'detach' });
    expect(await lineOf(client)).to.equal('äöü');
    client.ws.terminate();
    const other = await attached({ attach: run, after: 4, input: true });
    expect(await jsonOf(other, 'run')).to.include({ next: 5, terminal: true });
    expect(await lineOf(other)).to.equal('ü');
    other.text('x\r');
    const { texts, json } = await other.rest();
    expect(texts.join('')).to.equal('ßx');
    expect(json.at(-1)).to.include({ status: 'succeeded', next: 10 });
  });

  it('is not made up: an unknown one is refused', async () => {
    const { json, code } = await (await attached({ attach: 'nobody-knows' })).rest();
    expect(json).to.deep.equal([{ success: false, status: 'rejected', message: 'no such run "nobody-knows"', next: 1 }]);
    expect(code).to.equal(1000);
  });

  for (const message of [{ attach: '../up' }, { attach: 7 }, { attach: 'x', after: -1 }, { attach: 'x', after: 1, last: 1 }, { attach: 'x', last: 0.5 }, { attach: 'x', input: 'yes' }]) {
    it(`takes ${JSON.stringify(message)} for no message at all`, async () => {
      const { json, code } = await (await attached(message)).rest();
      expect(json.at(-1)).to.include({ status: 'rejected', message: 'protocol error: first message is not a call' });
      expect(code).to.equal(1002);
    });
  }
});
