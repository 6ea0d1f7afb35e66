// The client against a server that a script drives: order, credit, and everything that can break a connection.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { WebSocket as WsSocket } from 'ws';
import { creditBytes, utf8Length } from '../../protocol/client-input.ts';
import { clientSubprotocol, endpoint, openCall } from '../../protocol/client.ts';
import type { CallOptions, Item, SocketConstructor } from '../../protocol/client.ts';
import { scriptedServer } from '../helpers/scripted-server.ts';
import { runIdPattern } from '../../protocol/run-id.ts';
import type { Peer, ScriptedServer } from '../helpers/scripted-server.ts';

const running = { run: { id: 'r1', call: 'echo', state: 'running', next: 1 } };
const succeeded = { success: true, status: 'succeeded', exitCode: 0, next: 3, cleanup: { clean: true, released: [], left: [] } };

describe('the client', () => {
  let server: ScriptedServer;
  beforeEach(async () => { server = await scriptedServer(clientSubprotocol); });
  afterEach(() => server.close());

  function open(options: Partial<CallOptions> = {}) {
    const items: Item[] = [];
    const call = openCall({ url: server.url, socket: WsSocket, call: 'echo', onItem: (item) => { items.push(item); }, ...options });
    return { call, items };
  }

  async function accepted(peer: Promise<Peer>): Promise<Peer> {
    const client = await peer;
    await client.control();
    client.say(running);
    return client;
  }

  it('fits the socket of browsers and that of the ws package', () => {
    // The compiler is the judge: Node 20 has no WebSocket of its own.
    const constructors: readonly (() => SocketConstructor)[] = [() => WebSocket, () => WsSocket];
    expect(constructors).to.have.length(2);
  });

  it('sends the call first, with its params and the size of the terminal', async () => {
    const { call } = open({ params: ['a', 'b c'], terminal: { cols: 80, rows: 24 }, onDisconnect: 'grace:30s' });
    const peer = await server.peer();
    expect(call.id).to.match(runIdPattern);
    expect(await peer.control()).to.deep.equal({
      call: 'echo', params: ['a', 'b c'], run: call.id, terminal: { cols: 80, rows: 24 }, onDisconnect: 'grace:30s',
    });
    peer.say(succeeded);
    await call.result;
  });

  it('hands over everything in the order it was said, then the result', async () => {
    const { call, items } = open();
    const peer = await accepted(server.peer());
    peer.text('one');
    peer.say({ event: { seq: 1, at: 1, type: 'stalled' } });
    peer.text('');
    peer.say({ run: { ...running.run, state: 'ended' } });
    peer.say(succeeded);
    expect(await call.result).to.deep.equal(succeeded);
    expect(items).to.deep.equal([
      running, { line: 'one' }, { event: { seq: 1, at: 1, type: 'stalled' } }, { line: '' }, { run: { ...running.run, state: 'ended' } },
    ]);
    expect(call.run?.state).to.equal('ended');
  });

  it('ignores messages it does not know', async () => {
    const { call, items } = open();
    const peer = await accepted(server.peer());
    for (const message of [{ weather: 'fine' }, [1], 'text', 7, null]) peer.say(message);
    peer.bytes(Buffer.from('{not json'));
    peer.say(succeeded);
    await call.result;
    expect(items).to.deep.equal([running]);
  });

  it('does not guess at an outcome it has no word for', async () => {
    const { call } = open();
    (await accepted(server.peer())).say({ ...succeeded, success: false, status: 'evaporated' });
    expect((await call.result).status).to.equal('unknown');
  });

  it('tells chunks of a terminal from lines', async () => {
    const { call, items } = open();
    const peer = await server.peer();
    peer.say({ run: { ...running.run, terminal: true } });
    peer.text('$ \r\n');
    peer.say(succeeded);
    await call.result;
    expect(items[1]).to.deep.equal({ chunk: '$ \r\n' });
  });

  it('waits for a listener that asks for it, and then goes on in order', async () => {
    const seen: string[] = [];
    let release = (): void => {};
    const { call } = open({
      onItem(item) {
        if (!('line' in item)) return undefined;
        seen.push(item.line);
        return item.line === 'one' ? new Promise<void>((resolve) => { release = resolve; }) : undefined;
      },
    });
    const peer = await accepted(server.peer());
    peer.text('one');
    peer.text('two');
    peer.say(succeeded);
    await until(() => seen.length === 1);
    release();
    await call.result;
    expect(seen).to.deep.equal(['one', 'two']);
  });

  it('pauses the socket while a slow listener has more than enough to read', async () => {
    const calls: string[] = [];
    class Pausing extends WsSocket {
      override pause(): void { calls.push('pause'); super.pause(); }
      override resume(): void { calls.push('resume'); super.resume(); }
    }
    const seen: string[] = [];
    let release = (): void => {};
    const { call } = open({
      socket: Pausing, unreadBytesMax: 250,
      onItem(item) {
        if ('line' in item) seen.push(item.line);
        return seen.length === 1 ? new Promise<void>((resolve) => { release = resolve; }) : undefined;
      },
    });
    const peer = await accepted(server.peer());
    for (const line of ['12345', '67890', 'more', 'last']) peer.text(line);
    await until(() => calls.length > 0);
    release();
    peer.say(succeeded);
    await call.result;
    expect(calls).to.deep.equal(['pause', 'resume']);
    expect(seen).to.deep.equal(['12345', '67890', 'more', 'last']);
  });

  it('cancels the run and rejects with what the listener threw', async () => {
    const { call, items } = open({ onItem: (item) => { items.push(item); throw new Error('disk full'); } });
    const peer = await accepted(server.peer());
    expect(await rejection(call.result)).to.equal('disk full');
    expect(await peer.control()).to.deep.equal({ signal: 'cancel' });
    peer.text('late');
    peer.say(succeeded);
    await peer.closed;
    expect(items).to.have.length(1);
  });

  describe('input', () => {
    it('waits until the run is accepted', async () => {
      const { call } = open();
      const sent = call.write('early');
      const peer = await server.peer();
      expect(await peer.control()).to.have.property('call');
      expect(peer.unread).to.equal(0);
      peer.say(running);
      expect(await peer.input()).to.equal('early');
      expect(await sent).to.equal(true);
      peer.say(succeeded);
      await call.result;
    });

    it('never has more outstanding than the credit', async () => {
      const { call } = open();
      const peer = await accepted(server.peer());
      const line = 'x'.repeat(99_999);
      const sent: number[] = [];
      for (let at = 0; at < 6; at += 1) void call.write(line).then(() => sent.push(at));
      for (let at = 0; at < 5; at += 1) await peer.input();
      expect(peer.unread).to.equal(0);
      expect(sent).to.deep.equal([0, 1, 2, 3, 4]);
      peer.say({ input: { taken: 100_000 } });
      await peer.input();
      await until(() => sent.length === 6);
      peer.say(succeeded);
      await call.result;
    });

    it('sends a text larger than the whole credit alone', async () => {
      const { call } = open();
      const peer = await accepted(server.peer());
      void call.write('first');
      void call.write('y'.repeat(creditBytes + 1));
      expect(await peer.input()).to.equal('first');
      expect(peer.unread).to.equal(0);
      peer.say({ input: { taken: 6 } });
      expect(await peer.input()).to.have.length(creditBytes + 1);
      peer.say(succeeded);
      await call.result;
    });

    it('ends after everything written, once', async () => {
      const { call } = open();
      void call.write('last');
      call.end();
      call.end();
      expect(await call.write('too late')).to.equal(false);
      const peer = await accepted(server.peer());
      expect(await peer.input()).to.equal('last');
      expect(await peer.control()).to.deep.equal({ signal: 'close' });
      expect(peer.unread).to.equal(0);
      peer.say(succeeded);
      await call.result;
    });

    it('tells a writer that waits when the run is over', async () => {
      const { call } = open();
      const peer = await accepted(server.peer());
      await call.write('x'.repeat(creditBytes - 1));
      const waiting = call.write('more');
      await peer.input();
      peer.say(succeeded);
      expect(await waiting).to.equal(false);
      expect(await call.write('after')).to.equal(false);
    });

    it('lets a busy writer hear the result', async () => {
      const { call } = open();
      const peer = await accepted(server.peer());
      void peer.input().then(() => { peer.say(succeeded); });
      let written = 0;
      while (await call.write('')) written += 1;
      expect(written).to.be.lessThan(creditBytes);
      expect((await call.result).status).to.equal('succeeded');
    });

    it('counts bytes as UTF-8', () => {
      for (const text of ['', 'a', 'é', '€', '😀', 'a😀é', '\ud83d', '\ude00x', '\ud83d\ud83d\ude00']) {
        expect(utf8Length(text), JSON.stringify(text)).to.equal(Buffer.byteLength(text));
      }
    });
  });

  describe('cancel', () => {
    it('is sent each time it is asked for', async () => {
      const { call } = open();
      const peer = await accepted(server.peer());
      await until(() => call.run !== undefined);
      call.cancel();
      call.cancel();
      expect(await peer.control()).to.deep.equal({ signal: 'cancel' });
      expect(await peer.control()).to.deep.equal({ signal: 'cancel' });
      peer.say({ ...succeeded, success: false, status: 'cancelled' });
      expect((await call.result).status).to.equal('cancelled');
    });

    it('before the connection is there takes the call back: nothing is sent', async () => {
      const { call } = open();
      call.cancel();
      const result = await call.result;
      expect(result).to.deep.equal({ success: false, status: 'cancelled', message: 'cancelled before the call was sent', lost: 'never-sent' });
      expect(server.heard()).to.equal(0);
    });

    it('comes from an AbortSignal as well, also from one that is aborted already', async () => {
      const abort = new AbortController();
      const { call } = open({ signal: abort.signal });
      const peer = await accepted(server.peer());
      abort.abort();
      expect(await peer.control()).to.deep.equal({ signal: 'cancel' });
      peer.say({ ...succeeded, success: false, status: 'cancelled' });
      await call.result;
      expect((await open({ signal: AbortSignal.abort() }).call.result).status).to.equal('cancelled');
    });

    it('after the end does nothing', async () => {
      const { call } = open();
      (await accepted(server.peer())).say(succeeded);
      await call.result;
      call.cancel();
      call.end();
      call.resize({ cols: 1, rows: 1 });
      expect(await call.result).to.deep.equal(succeeded);
    });
  });

  it('passes the new size of a terminal on', async () => {
    const { call } = open();
    const peer = await accepted(server.peer());
    await until(() => call.run !== undefined);
    call.resize({ cols: 120, rows: 40 });
    expect(await peer.control()).to.deep.equal({ signal: 'resize', cols: 120, rows: 40 });
    peer.say(succeeded);
    await call.result;
  });

  describe('without a result', () => {
    it('says unknown when the connection breaks', async () => {
      const { call, items } = open({ reconnect: false });
      const peer = await accepted(server.peer());
      peer.text('one');
      await until(() => items.length === 2);
      peer.terminate();
      const result = await call.result;
      expect(result).to.include({ success: false, status: 'unknown', lost: 'disconnected', next: 2 });
      expect(result.message).to.equal('connection lost before the result came: close code 1006');
    });

    it('says unknown when the server closes', async () => {
      const { call } = open({ reconnect: false });
      (await accepted(server.peer())).close(1011);
      const result = await call.result;
      expect(result).to.include({ status: 'unknown', lost: 'disconnected' });
      expect(result.message).to.contain('close code 1011');
    });

    it('says that nothing was sent when nobody listens', async () => {
      const free = createServer().listen(0, '127.0.0.1');
      await once(free, 'listening');
      const { port } = free.address() as AddressInfo;
      free.close();
      await once(free, 'close');
      const result = await open({ url: `ws://127.0.0.1:${port}/` }).call.result;
      expect(result).to.include({ status: 'unknown', lost: 'never-sent' });
      expect(result.message).to.match(/^cannot connect to ws:.*ECONNREFUSED/);
    });

    it('says that nothing was sent when the upgrade is refused', async () => {
      server.refuse(501);
      const result = await open().call.result;
      expect(result).to.include({ status: 'unknown', lost: 'never-sent' });
      expect(result.message).to.contain('501');
    });
  });

  it('closes its connection after the result, also when the server does not', async () => {
    const { call } = open();
    const peer = await accepted(server.peer());
    peer.say(succeeded);
    await call.result;
    await peer.closed;
  });

  it('finds the endpoint of a gateway from its address', () => {
    expect(endpoint('http://127.0.0.1:8080')).to.equal('ws://127.0.0.1:8080/api/v1/ws');
    expect(endpoint('https://host/prefix/')).to.equal('wss://host/prefix/api/v1/ws');
    expect(endpoint('ws://host/api/v1/ws/')).to.equal('ws://host/api/v1/ws/');
    expect(() => endpoint('nonsense')).to.throw();
  });
});

async function rejection(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => 'no rejection', (error: unknown) => (error as Error).message);
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5_000; !condition();) {
    if (Date.now() > deadline) throw new Error('waited too long');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
