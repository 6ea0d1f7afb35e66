// The client when its connection is lost: where it goes on, what it says again, and when it gives up.

import { expect } from 'chai';
import { WebSocket as WsSocket } from 'ws';
import { attachRun, clientSubprotocol, openCall } from '../../protocol/client.ts';
import type { AttachOptions, CallOptions, Item } from '../../protocol/client.ts';
import { scriptedServer } from '../helpers/scripted-server.ts';
import type { Peer, ScriptedServer } from '../helpers/scripted-server.ts';
import { until } from '../helpers/until.ts';

const run = { id: 'r1', call: 'echo', state: 'running', next: 1, input: true };
const succeeded = { success: true, status: 'succeeded', exitCode: 0, next: 3, cleanup: { clean: true, released: [], left: [] } };
const soonAgain = { forMs: 5_000, delayMs: 1, delayMaxMs: 5 };

describe('the client, when its connection is lost', () => {
  let server: ScriptedServer;
  beforeEach(async () => { server = await scriptedServer(clientSubprotocol); });
  afterEach(() => server.close());

  function open(options: Partial<CallOptions> = {}) {
    const items: Item[] = [];
    const call = openCall({
      url: server.url, socket: WsSocket, call: 'echo', run: 'r1', reconnect: soonAgain, onItem: (item) => { items.push(item); }, ...options,
    });
    return { call, items };
  }

  function attach(options: Partial<AttachOptions> = {}) {
    const items: Item[] = [];
    return { items, call: attachRun({ url: server.url, socket: WsSocket, run: 'r1', reconnect: soonAgain, onItem: (item) => { items.push(item); }, ...options }) };
  }

  /** The next connection, whose first message is `first`. */
  async function comes(first: object): Promise<Peer> {
    const peer = await server.peer();
    expect(await peer.control()).to.deep.equal(first);
    return peer;
  }

  const calls = { call: 'echo', params: [], run: 'r1' };

  async function lostAfterLines(items: readonly Item[], ...lines: readonly string[]): Promise<void> {
    const peer = await comes(calls);
    peer.say({ run });
    for (const line of lines) peer.text(line);
    await until('the lines have come', () => items.length === 1 + lines.length);
    peer.terminate();
  }

  it('attaches behind the last line it has, and tells the listener of both', async () => {
    const { call, items } = open();
    await lostAfterLines(items, 'one', 'two');
    const peer = await comes({ attach: 'r1', after: 2, input: true });
    peer.say({ run: { ...run, next: 3 } });
    peer.text('three');
    peer.say({ ...succeeded, next: 4 });
    expect((await call.result).next).to.equal(4);
    const lost = items[3] as { connection: string; inMs: number; attempt: number };
    expect(lost).to.include({ connection: 'lost', attempt: 1 });
    expect(lost.inMs).to.be.within(0, 5);
    expect(items.toSpliced(3, 1)).to.deep.equal([{ run }, { line: 'one' }, { line: 'two' }, { connection: 'resumed' }, { line: 'three' }]);
  });

  it('counts bytes of a terminal', async () => {
    const { call, items } = open();
    const first = await comes(calls);
    first.say({ run: { ...run, terminal: true } });
    first.text('é€\r\n');
    await until('the chunk has come', () => items.length === 2);
    first.terminate();
    const peer = await comes({ attach: 'r1', after: 7, input: true });
    peer.say(succeeded);
    await call.result;
  });

  it('says the call again, under the same id, while it was not announced', async () => {
    const { call, items } = open();
    (await comes(calls)).terminate();
    const peer = await comes(calls);
    peer.say({ run });
    peer.say(succeeded);
    await call.result;
    expect(items.slice(1)).to.deep.equal([{ connection: 'resumed' }, { run }]);
  });

  it('hands an event over once', async () => {
    const { call, items } = open();
    const first = await comes(calls);
    first.say({ run });
    first.say({ event: { seq: 1, at: 0, type: 'stalled' } });
    await until('the event has come', () => items.length === 2);
    first.terminate();
    const peer = await comes({ attach: 'r1', after: 0, input: true });
    peer.say({ run });
    for (const seq of [1, 2]) peer.say({ event: { seq, at: 0, type: 'stalled' } });
    peer.say(succeeded);
    await call.result;
    expect(items.filter((item) => 'event' in item).map(({ event }) => event.seq)).to.deep.equal([1, 2]);
  });

  it('goes on behind a gap, and tells of it', async () => {
    const gap = { from: 1, to: 500, reason: 'retention' } as const;
    const { call, items } = attach();
    const first = await comes({ attach: 'r1', after: 0 });
    first.say({ run });
    first.say({ gap });
    first.text('501');
    await until('the line has come', () => items.length === 3);
    first.terminate();
    const peer = await comes({ attach: 'r1', after: 501 });
    peer.say(succeeded);
    await call.result;
    expect(items[1]).to.deep.equal({ gap });
  });

  it('sends again what had not arrived, in order, then what waited, then the end', async () => {
    const { call } = open();
    const first = await comes(calls);
    first.say({ run });
    for (const text of ['aa', 'bb', 'cc']) expect(await call.write(text)).to.equal(true);
    for (const text of ['aa', 'bb', 'cc']) expect(await first.input()).to.equal(text);
    first.terminate();
    const peer = await comes({ attach: 'r1', after: 0, input: true });
    const waiting = call.write('dd');
    call.end();
    peer.say({ run });
    expect(peer.unread).to.equal(0);
    peer.say({ input: { taken: 0, received: 3 } });
    for (const text of ['bb', 'cc', 'dd']) expect(await peer.input()).to.equal(text);
    expect(await waiting).to.equal(true);
    expect(await peer.control()).to.deep.equal({ signal: 'close' });
    peer.terminate();
    const last = await comes({ attach: 'r1', after: 0, input: true });
    last.say({ run });
    last.say({ input: { taken: 12, received: 12 } });
    expect(await last.control()).to.deep.equal({ signal: 'close' });
    expect(last.unread).to.equal(0);
    last.say(succeeded);
    await call.result;
  });

  it('counts from what the run had, when it goes on with one', async () => {
    const { call } = open();
    const first = await comes(calls);
    void call.write('aa');
    void call.write('bb');
    first.say({ run });
    first.say({ input: { taken: 100, received: 100 } });
    await first.input();
    await first.input();
    first.terminate();
    const peer = await comes({ attach: 'r1', after: 0, input: true });
    peer.say({ run });
    peer.say({ input: { taken: 100, received: 103 } });
    expect(await peer.input()).to.equal('bb');
    expect(peer.unread).to.equal(0);
    peer.say(succeeded);
    await call.result;
  });

  for (const code of ['input-taken', 'read-only'] as const) {
    it(`writes no more, and does not ask for the input again, after the notice ${code}`, async () => {
      const { call, items } = open();
      const first = await comes(calls);
      first.say({ run });
      first.say({ notice: { code, message: 'no' } });
      await until('the notice has come', () => items.length === 2);
      expect(await call.write('late')).to.equal(false);
      first.terminate();
      (await comes({ attach: 'r1', after: 0 })).say(succeeded);
      await call.result;
    });
  }

  it('keeps a cancel, and a leave, that are said meanwhile', async () => {
    const { call, items } = open();
    await lostAfterLines(items, 'one');
    await until('the connection is lost', () => items.length === 3);
    call.cancel();
    call.detach();
    const peer = await comes({ attach: 'r1', after: 1, input: true });
    expect(peer.unread).to.equal(0);
    peer.say({ run });
    expect(await peer.control()).to.deep.equal({ signal: 'cancel' });
    expect(await peer.control()).to.deep.equal({ signal: 'detach' });
    peer.say({ success: true, status: 'detached', next: 2 });
    expect(await call.result).to.deep.equal({ success: true, status: 'detached', next: 2 });
  });

  it('does not hurry a run that is being cancelled already', async () => {
    const { call, items } = open();
    await lostAfterLines(items);
    call.cancel();
    const peer = await comes({ attach: 'r1', after: 0, input: true });
    peer.say({ run: { ...run, state: 'cancelling' } });
    peer.say({ ...succeeded, success: false, status: 'cancelled' });
    await call.result;
    expect(peer.unread).to.equal(0);
  });

  it('says unknown of a run that was announced and is not known any more', async () => {
    const { call, items } = open();
    await lostAfterLines(items, 'one');
    (await comes({ attach: 'r1', after: 1, input: true })).say({ success: false, status: 'rejected', message: 'no such run "r1"', next: 1 });
    expect(await call.result).to.deep.equal({
      success: false, status: 'unknown', lost: 'disconnected', next: 2, message: 'the run cannot be watched any more: no such run "r1"',
    });
  });

  it('gives up when the time is over', async () => {
    const { call, items } = open({ reconnect: { forMs: 50, delayMs: 1, delayMaxMs: 10 } });
    const first = await comes(calls);
    server.refuse(503);
    first.say({ run });
    await until('it is announced', () => items.length === 1);
    first.terminate();
    const result = await call.result;
    expect(result).to.include({ status: 'unknown', lost: 'disconnected', next: 1 });
    expect(result.message).to.contain('503');
    expect(items.filter((item) => 'connection' in item && item.connection === 'lost').length).to.be.greaterThan(1);
  });

  it('tries the first connection again only when asked to', async () => {
    server.refuse(503);
    const { call, items } = open({ reconnect: { ...soonAgain, first: true } });
    await until('it was refused', () => items.length > 1);
    server.refuse(undefined);
    (await comes(calls)).say(succeeded);
    expect(await call.result).to.deep.equal(succeeded);
  });

  it('comes to a run from its last lines, and feeds it when asked to', async () => {
    const { call, items } = attach({ last: 2, input: true });
    const sent = call.write('hello');
    const peer = await comes({ attach: 'r1', last: 2, input: true });
    peer.say({ run: { ...run, next: 9 } });
    peer.say({ input: { taken: 10, received: 10 } });
    expect(await peer.input()).to.equal('hello');
    expect(await sent).to.equal(true);
    peer.text('nine');
    await until('the line has come', () => items.length === 2);
    peer.terminate();
    (await comes({ attach: 'r1', after: 9, input: true })).say(succeeded);
    await call.result;
  });

  it('only watches a run it does not ask to feed', async () => {
    const { call } = attach();
    expect(await call.write('no')).to.equal(false);
    const peer = await comes({ attach: 'r1', after: 0 });
    peer.say({ success: false, status: 'rejected', message: 'no such run "r1"', next: 1 });
    expect((await call.result).status).to.equal('rejected');
  });

  describe('as a loop', () => {
    it('gives the items one by one, and ends with the result', async () => {
      const { call } = attach({ onItem: undefined as never });
      const told = (async () => {
        const items: Item[] = [];
        for await (const item of call) items.push(item);
        return items;
      })();
      const peer = await comes({ attach: 'r1', after: 0 });
      peer.say({ run });
      peer.text('one');
      peer.say(succeeded);
      expect(await told).to.deep.equal([{ run }, { line: 'one' }]);
      expect(await call.result).to.deep.equal(succeeded);
    });

    it('holds the result back until the last item is taken, and lets it go when it is left', async () => {
      const { call } = attach({ onItem: undefined as never });
      const items = call[Symbol.asyncIterator]();
      let settled = false;
      void call.result.then(() => { settled = true; });
      const peer = await comes({ attach: 'r1', after: 0 });
      peer.say({ run });
      peer.text('one');
      peer.say(succeeded);
      await peer.closed;
      expect(settled).to.equal(false);
      expect((await items.next()).value).to.deep.equal({ run });
      expect(settled).to.equal(false);
      await items.return?.();
      expect(await call.result).to.deep.equal(succeeded);
    });

    it('is refused when somebody listens already', async () => {
      const { call } = attach();
      expect(() => call[Symbol.asyncIterator]()).to.throw('have a listener already');
      (await comes({ attach: 'r1', after: 0 })).say(succeeded);
      await call.result;
    });
  });
});
