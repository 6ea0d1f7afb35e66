// Tests the client after a lost connection: where it resumes, what it sends again, and when it gives up.

import { expect } from 'chai';
import { WebSocket as WsSocket } from 'ws';
import type { AttachOptions, CallOptions, Item } from '../../protocol/client/client.ts';
import { attachRun, clientSubprotocol, openCall } from '../../protocol/client/client.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import type { ScriptedServer, ServerConnection } from '../helpers/websocket/scripted-server.ts';
import { startScriptedServer } from '../helpers/websocket/scripted-server.ts';

const run = { id: 'r1', call: 'echo', state: 'running', next: 1, input: true };
const succeeded = {
  success: true,
  status: 'succeeded',
  exitCode: 0,
  next: 3,
  cleanup: { clean: true, released: [], left: [] },
};
const quickReconnect = { forMs: 5_000, delayMs: 1, delayMaxMs: 5 };

describe('the client after a lost connection', () => {
  let server: ScriptedServer;
  beforeEach(async () => {
    server = await startScriptedServer(clientSubprotocol);
  });
  afterEach(() => server.close());

  function open(options: Partial<CallOptions> = {}) {
    const items: Item[] = [];
    const call = openCall({
      url: server.url,
      socket: WsSocket,
      call: 'echo',
      run: 'r1',
      reconnect: quickReconnect,
      onItem: (item) => {
        items.push(item);
      },
      ...options,
    });
    return { call, items };
  }

  function attach(options: Partial<AttachOptions> = {}) {
    const items: Item[] = [];
    return {
      items,
      call: attachRun({
        url: server.url,
        socket: WsSocket,
        run: 'r1',
        reconnect: quickReconnect,
        onItem: (item) => {
          items.push(item);
        },
        ...options,
      }),
    };
  }

  /** Accepts the next connection and checks that its first message is `first`. */
  async function acceptConnection(first: object): Promise<ServerConnection> {
    const peer = await server.nextConnection();
    expect(await peer.nextControl()).to.deep.equal(first);
    return peer;
  }

  const calls = { call: 'echo', params: [], run: 'r1' };

  async function disconnectAfterLines(items: readonly Item[], ...lines: readonly string[]): Promise<void> {
    const peer = await acceptConnection(calls);
    peer.sendControl({ run });
    for (const line of lines) peer.sendText(line);
    await waitUntil('the lines have arrived', () => items.length === 1 + lines.length);
    peer.terminate();
  }

  it('the client attaches after its last line and reports the lost and the resumed connection', async () => {
    const { call, items } = open();
    await disconnectAfterLines(items, 'one', 'two');
    const peer = await acceptConnection({ attach: 'r1', after: 2, input: true });
    peer.sendControl({ run: { ...run, next: 3 } });
    peer.sendText('three');
    peer.sendControl({ ...succeeded, next: 4 });
    expect((await call.result).next).to.equal(4);
    const lost = items[3] as { connection: string; inMs: number; attempt: number };
    expect(lost).to.include({ connection: 'lost', attempt: 1 });
    expect(lost.inMs).to.be.within(0, 5);
    expect(items.toSpliced(3, 1)).to.deep.equal([
      { run },
      { line: 'one' },
      { line: 'two' },
      { connection: 'resumed' },
      { line: 'three' },
    ]);
  });

  it('the client counts the bytes of a terminal and resumes after the last one', async () => {
    const { call, items } = open();
    const first = await acceptConnection(calls);
    first.sendControl({ run: { ...run, terminal: true } });
    first.sendText('é€\r\n');
    await waitUntil('the chunk has arrived', () => items.length === 2);
    first.terminate();
    const peer = await acceptConnection({ attach: 'r1', after: 7, input: true });
    peer.sendControl(succeeded);
    await call.result;
  });

  it('the client sends the call again under the same id until the run is announced', async () => {
    const { call, items } = open();
    (await acceptConnection(calls)).terminate();
    const peer = await acceptConnection(calls);
    peer.sendControl({ run });
    peer.sendControl(succeeded);
    await call.result;
    expect(items.slice(1)).to.deep.equal([{ connection: 'resumed' }, { run }]);
  });

  it('the client delivers an event once, even if the gateway sends it again', async () => {
    const { call, items } = open();
    const first = await acceptConnection(calls);
    first.sendControl({ run });
    first.sendControl({ event: { seq: 1, at: 0, type: 'stalled' } });
    await waitUntil('the event has arrived', () => items.length === 2);
    first.terminate();
    const peer = await acceptConnection({ attach: 'r1', after: 0, input: true });
    peer.sendControl({ run });
    for (const seq of [1, 2]) peer.sendControl({ event: { seq, at: 0, type: 'stalled' } });
    peer.sendControl(succeeded);
    await call.result;
    expect(items.filter((item) => 'event' in item).map(({ event }) => event.seq)).to.deep.equal([1, 2]);
  });

  it('the client resumes after a gap and reports the gap', async () => {
    const gap = { from: 1, to: 500, reason: 'retention' } as const;
    const { call, items } = attach();
    const first = await acceptConnection({ attach: 'r1', after: 0 });
    first.sendControl({ run });
    first.sendControl({ gap });
    first.sendText('501');
    await waitUntil('the line has arrived', () => items.length === 3);
    first.terminate();
    const peer = await acceptConnection({ attach: 'r1', after: 501 });
    peer.sendControl(succeeded);
    await call.result;
    expect(items[1]).to.deep.equal({ gap });
  });

  it('the client sends lost input again in order, then queued input, then the end', async () => {
    const { call } = open();
    const first = await acceptConnection(calls);
    first.sendControl({ run });
    for (const text of ['aa', 'bb', 'cc']) expect(await call.write(text)).to.equal(true);
    for (const text of ['aa', 'bb', 'cc']) expect(await first.nextInput()).to.equal(text);
    first.terminate();
    const peer = await acceptConnection({ attach: 'r1', after: 0, input: true });
    const waiting = call.write('dd');
    call.end();
    peer.sendControl({ run });
    expect(peer.unread).to.equal(0);
    peer.sendControl({ input: { taken: 0, received: 3 } });
    for (const text of ['bb', 'cc', 'dd']) expect(await peer.nextInput()).to.equal(text);
    expect(await waiting).to.equal(true);
    expect(await peer.nextControl()).to.deep.equal({ signal: 'close' });
    peer.terminate();
    const last = await acceptConnection({ attach: 'r1', after: 0, input: true });
    last.sendControl({ run });
    last.sendControl({ input: { taken: 12, received: 12 } });
    expect(await last.nextControl()).to.deep.equal({ signal: 'close' });
    expect(last.unread).to.equal(0);
    last.sendControl(succeeded);
    await call.result;
  });

  it('the client counts its input from the offset that the run has reached', async () => {
    const { call } = open();
    const first = await acceptConnection(calls);
    void call.write('aa');
    void call.write('bb');
    first.sendControl({ run });
    first.sendControl({ input: { taken: 100, received: 100 } });
    await first.nextInput();
    await first.nextInput();
    first.terminate();
    const peer = await acceptConnection({ attach: 'r1', after: 0, input: true });
    peer.sendControl({ run });
    peer.sendControl({ input: { taken: 100, received: 103 } });
    expect(await peer.nextInput()).to.equal('bb');
    expect(peer.unread).to.equal(0);
    peer.sendControl(succeeded);
    await call.result;
  });

  for (const code of ['input-taken', 'read-only'] as const) {
    it(`the client stops writing and does not request the input again after the notice ${code}`, async () => {
      const { call, items } = open();
      const first = await acceptConnection(calls);
      first.sendControl({ run });
      first.sendControl({ notice: { code, message: 'no' } });
      await waitUntil('the notice has arrived', () => items.length === 2);
      expect(await call.write('late')).to.equal(false);
      first.terminate();
      (await acceptConnection({ attach: 'r1', after: 0 })).sendControl(succeeded);
      await call.result;
    });
  }

  it('the client sends a cancel and a detach that were requested while disconnected', async () => {
    const { call, items } = open();
    await disconnectAfterLines(items, 'one');
    await waitUntil('the connection is lost', () => items.length === 3);
    call.cancel();
    call.detach();
    const peer = await acceptConnection({ attach: 'r1', after: 1, input: true });
    expect(peer.unread).to.equal(0);
    peer.sendControl({ run });
    expect(await peer.nextControl()).to.deep.equal({ signal: 'cancel' });
    expect(await peer.nextControl()).to.deep.equal({ signal: 'detach' });
    peer.sendControl({ success: true, status: 'detached', next: 2 });
    expect(await call.result).to.deep.equal({ success: true, status: 'detached', next: 2 });
  });

  it('the client does not force a run that is already being cancelled', async () => {
    const { call, items } = open();
    await disconnectAfterLines(items);
    call.cancel();
    const peer = await acceptConnection({ attach: 'r1', after: 0, input: true });
    peer.sendControl({ run: { ...run, state: 'cancelling' } });
    peer.sendControl({ ...succeeded, success: false, status: 'cancelled' });
    await call.result;
    expect(peer.unread).to.equal(0);
  });

  it('the client reports the status unknown for an announced run that no longer exists', async () => {
    const { call, items } = open();
    await disconnectAfterLines(items, 'one');
    (await acceptConnection({ attach: 'r1', after: 1, input: true })).sendControl({
      success: false,
      status: 'rejected',
      message: 'no such run "r1"',
      next: 1,
    });
    expect(await call.result).to.deep.equal({
      success: false,
      status: 'unknown',
      lost: 'disconnected',
      next: 2,
      message: 'cannot watch the run any longer: no such run "r1"',
    });
  });

  it('the client gives up when the reconnect time is over', async () => {
    const { call, items } = open({ reconnect: { forMs: 50, delayMs: 1, delayMaxMs: 10 } });
    const first = await acceptConnection(calls);
    server.rejectUpgrades(503);
    first.sendControl({ run });
    await waitUntil('the run is announced', () => items.length === 1);
    first.terminate();
    const result = await call.result;
    expect(result).to.include({ status: 'unknown', lost: 'disconnected', next: 1 });
    expect(result.message).to.contain('503');
    expect(items.filter((item) => 'connection' in item && item.connection === 'lost').length).to.be.greaterThan(1);
  });

  it('the client retries the first connection only if requested', async () => {
    server.rejectUpgrades(503);
    const { call, items } = open({ reconnect: { ...quickReconnect, first: true } });
    await waitUntil('the connection was rejected', () => items.length > 1);
    server.rejectUpgrades(undefined);
    (await acceptConnection(calls)).sendControl(succeeded);
    expect(await call.result).to.deep.equal(succeeded);
  });

  it('the client attaches at the last lines of a run and writes input if requested', async () => {
    const { call, items } = attach({ last: 2, input: true });
    const sent = call.write('hello');
    const peer = await acceptConnection({ attach: 'r1', last: 2, input: true });
    peer.sendControl({ run: { ...run, next: 9 } });
    peer.sendControl({ input: { taken: 10, received: 10 } });
    expect(await peer.nextInput()).to.equal('hello');
    expect(await sent).to.equal(true);
    peer.sendText('nine');
    await waitUntil('the line has arrived', () => items.length === 2);
    peer.terminate();
    (await acceptConnection({ attach: 'r1', after: 9, input: true })).sendControl(succeeded);
    await call.result;
  });

  it('the client writes nothing to a run if it did not request the input lease', async () => {
    const { call } = attach();
    expect(await call.write('no')).to.equal(false);
    const peer = await acceptConnection({ attach: 'r1', after: 0 });
    peer.sendControl({ success: false, status: 'rejected', message: 'no such run "r1"', next: 1 });
    expect((await call.result).status).to.equal('rejected');
  });

  it('T1: the client writes again after the gateway has granted it the input lease', async () => {
    const { call } = attach();
    const peer = await acceptConnection({ attach: 'r1', after: 0 });
    const { input: _, ...watched } = run;
    peer.sendControl({ run: watched });
    await waitUntil('the client knows', () => call.run !== undefined);
    expect(await call.write('no')).to.equal(false);
    call.requestInput();
    expect(await peer.nextControl()).to.deep.equal({ signal: 'input' });
    peer.sendControl({ run });
    peer.sendControl({ input: { taken: 3, received: 7 } });
    await waitUntil('the client knows', () => call.run?.input === true);
    expect(await call.write('yes')).to.equal(true);
    expect(await peer.nextInput()).to.equal('yes');
    call.requestInput();
    peer.terminate();
    const again = await acceptConnection({ attach: 'r1', after: 0, input: true });
    again.sendControl({ run });
    again.sendControl({ input: { taken: 7, received: 7 } });
    expect(await again.nextInput()).to.equal('yes');
    again.sendControl({ success: true, status: 'succeeded', next: 1 });
    await call.result;
  });

  describe('the client as an async iterator', () => {
    it('a loop over a call receives the items one by one and ends with the result', async () => {
      const { call } = attach({ onItem: undefined as never });
      const received = (async () => {
        const items: Item[] = [];
        for await (const item of call) items.push(item);
        return items;
      })();
      const peer = await acceptConnection({ attach: 'r1', after: 0 });
      peer.sendControl({ run });
      peer.sendText('one');
      peer.sendControl(succeeded);
      expect(await received).to.deep.equal([{ run }, { line: 'one' }]);
      expect(await call.result).to.deep.equal(succeeded);
    });

    it('the result waits until the loop has taken the last item or has ended early', async () => {
      const { call } = attach({ onItem: undefined as never });
      const items = call[Symbol.asyncIterator]();
      let settled = false;
      void call.result.then(() => {
        settled = true;
      });
      const peer = await acceptConnection({ attach: 'r1', after: 0 });
      peer.sendControl({ run });
      peer.sendText('one');
      peer.sendControl(succeeded);
      await peer.closed;
      expect(settled).to.equal(false);
      expect((await items.next()).value).to.deep.equal({ run });
      expect(settled).to.equal(false);
      await items.return?.();
      expect(await call.result).to.deep.equal(succeeded);
    });

    it('a loop throws if the call already has a listener', async () => {
      const { call } = attach();
      expect(() => call[Symbol.asyncIterator]()).to.throw('already has a listener');
      (await acceptConnection({ attach: 'r1', after: 0 })).sendControl(succeeded);
      await call.result;
    });
  });
});
