// Tests the client against a scripted server: order, input credit, and every way a connection can fail.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { WebSocket as WsSocket } from 'ws';
import type { CallOptions, Item, SocketConstructor } from '../../../protocol/client/client.ts';
import { clientSubprotocol, endpoint, openCall } from '../../../protocol/client/client.ts';
import { creditBytes, utf8Length } from '../../../protocol/client/input-buffer.ts';
import { runIdPattern } from '../../../protocol/run-id.ts';
import type { ScriptedServer, ServerConnection } from '../../helpers/websocket/scripted-server.ts';
import { startScriptedServer } from '../../helpers/websocket/scripted-server.ts';

const running = { run: { id: 'r1', call: 'echo', state: 'running', next: 1 } };
const succeeded = {
  success: true,
  status: 'succeeded',
  exitCode: 0,
  next: 3,
  cleanup: { clean: true, released: [], left: [] },
};

describe('the client', () => {
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
      onItem: (item) => {
        items.push(item);
      },
      ...options,
    });
    return { call, items };
  }

  async function accepted(peer: Promise<ServerConnection>): Promise<ServerConnection> {
    const client = await peer;
    await client.nextControl();
    client.sendControl(running);
    return client;
  }

  it('the client accepts the WebSocket of browsers and of the ws package', () => {
    // Only the compiler checks this, because Node 20 has no WebSocket of its own.
    const constructors: readonly (() => SocketConstructor)[] = [() => WebSocket, () => WsSocket];
    expect(constructors).to.have.length(2);
  });

  it('the client sends the call first, with its params and terminal size', async () => {
    const { call } = open({ params: ['a', 'b c'], terminal: { cols: 80, rows: 24 }, onDisconnect: 'grace:30s' });
    const peer = await server.nextConnection();
    expect(call.id).to.match(runIdPattern);
    expect(await peer.nextControl()).to.deep.equal({
      call: 'echo',
      params: ['a', 'b c'],
      run: call.id,
      terminal: { cols: 80, rows: 24 },
      onDisconnect: 'grace:30s',
    });
    peer.sendControl(succeeded);
    await call.result;
  });

  it('the client delivers all items in order, then the result', async () => {
    const { call, items } = open();
    const peer = await accepted(server.nextConnection());
    peer.sendText('one');
    peer.sendControl({ event: { seq: 1, at: 1, type: 'stalled' } });
    peer.sendText('');
    peer.sendControl({ run: { ...running.run, state: 'ended' } });
    peer.sendControl(succeeded);
    expect(await call.result).to.deep.equal(succeeded);
    expect(items).to.deep.equal([
      running,
      { line: 'one' },
      { event: { seq: 1, at: 1, type: 'stalled' } },
      { line: '' },
      { run: { ...running.run, state: 'ended' } },
    ]);
    expect(call.run?.state).to.equal('ended');
  });

  it('the client ignores unknown messages', async () => {
    const { call, items } = open();
    const peer = await accepted(server.nextConnection());
    for (const message of [{ weather: 'fine' }, [1], 'text', 7, null]) peer.sendControl(message);
    peer.sendBytes(Buffer.from('{not json'));
    peer.sendControl(succeeded);
    await call.result;
    expect(items).to.deep.equal([running]);
  });

  it('the client reports an outcome that it does not know as unknown', async () => {
    const { call } = open();
    (await accepted(server.nextConnection())).sendControl({ ...succeeded, success: false, status: 'evaporated' });
    expect((await call.result).status).to.equal('unknown');
  });

  it('the client distinguishes terminal chunks from lines', async () => {
    const { call, items } = open();
    const peer = await server.nextConnection();
    peer.sendControl({ run: { ...running.run, terminal: true } });
    peer.sendText('$ \r\n');
    peer.sendControl(succeeded);
    await call.result;
    expect(items[1]).to.deep.equal({ chunk: '$ \r\n' });
  });

  it("the client waits for a listener's promise and then continues in order", async () => {
    const seen: string[] = [];
    let release = (): void => {};
    const { call } = open({
      onItem(item) {
        if (!('line' in item)) return undefined;
        seen.push(item.line);
        return item.line === 'one'
          ? new Promise<void>((resolve) => {
              release = resolve;
            })
          : undefined;
      },
    });
    const peer = await accepted(server.nextConnection());
    peer.sendText('one');
    peer.sendText('two');
    peer.sendControl(succeeded);
    await until(() => seen.length === 1);
    release();
    await call.result;
    expect(seen).to.deep.equal(['one', 'two']);
  });

  it('the client pauses the socket while a slow listener has too much unread', async () => {
    const calls: string[] = [];
    class Pausing extends WsSocket {
      override pause(): void {
        calls.push('pause');
        super.pause();
      }
      override resume(): void {
        calls.push('resume');
        super.resume();
      }
    }
    const seen: string[] = [];
    let release = (): void => {};
    const { call } = open({
      socket: Pausing,
      unreadBytesMax: 250,
      onItem(item) {
        if ('line' in item) seen.push(item.line);
        return seen.length === 1
          ? new Promise<void>((resolve) => {
              release = resolve;
            })
          : undefined;
      },
    });
    const peer = await accepted(server.nextConnection());
    for (const line of ['12345', '67890', 'more', 'last']) peer.sendText(line);
    await until(() => calls.length > 0);
    release();
    peer.sendControl(succeeded);
    await call.result;
    expect(calls).to.deep.equal(['pause', 'resume']);
    expect(seen).to.deep.equal(['12345', '67890', 'more', 'last']);
  });

  it('the client cancels the run and rejects if the listener throws', async () => {
    const { call, items } = open({
      onItem: (item) => {
        items.push(item);
        throw new Error('disk full');
      },
    });
    const peer = await accepted(server.nextConnection());
    expect(await rejection(call.result)).to.equal('disk full');
    expect(await peer.nextControl()).to.deep.equal({ signal: 'cancel' });
    peer.sendText('late');
    peer.sendControl(succeeded);
    await peer.closed;
    expect(items).to.have.length(1);
  });

  describe('input of the client', () => {
    it('the client sends input only after the run is accepted', async () => {
      const { call } = open();
      const sent = call.write('early');
      const peer = await server.nextConnection();
      expect(await peer.nextControl()).to.have.property('call');
      expect(peer.unread).to.equal(0);
      peer.sendControl(running);
      expect(await peer.nextInput()).to.equal('early');
      expect(await sent).to.equal(true);
      peer.sendControl(succeeded);
      await call.result;
    });

    it('the client never exceeds its input credit', async () => {
      const { call } = open();
      const peer = await accepted(server.nextConnection());
      const line = 'x'.repeat(99_999);
      const sent: number[] = [];
      for (let at = 0; at < 6; at += 1) void call.write(line).then(() => sent.push(at));
      for (let at = 0; at < 5; at += 1) await peer.nextInput();
      expect(peer.unread).to.equal(0);
      expect(sent).to.deep.equal([0, 1, 2, 3, 4]);
      peer.sendControl({ input: { taken: 100_000 } });
      await peer.nextInput();
      await until(() => sent.length === 6);
      peer.sendControl(succeeded);
      await call.result;
    });

    it('the client sends a text larger than the whole credit once all earlier input is taken', async () => {
      const { call } = open();
      const peer = await accepted(server.nextConnection());
      void call.write('first');
      void call.write('y'.repeat(creditBytes + 1));
      expect(await peer.nextInput()).to.equal('first');
      expect(peer.unread).to.equal(0);
      peer.sendControl({ input: { taken: 6 } });
      expect(await peer.nextInput()).to.have.length(creditBytes + 1);
      peer.sendControl(succeeded);
      await call.result;
    });

    it('the client ends the input once, after everything written', async () => {
      const { call } = open();
      void call.write('last');
      call.end();
      call.end();
      expect(await call.write('too late')).to.equal(false);
      const peer = await accepted(server.nextConnection());
      expect(await peer.nextInput()).to.equal('last');
      expect(await peer.nextControl()).to.deep.equal({ signal: 'close' });
      expect(peer.unread).to.equal(0);
      peer.sendControl(succeeded);
      await call.result;
    });

    it('a waiting write resolves with false when the run ends', async () => {
      const { call } = open();
      const peer = await accepted(server.nextConnection());
      await call.write('x'.repeat(creditBytes - 1));
      const waiting = call.write('more');
      await peer.nextInput();
      peer.sendControl(succeeded);
      expect(await waiting).to.equal(false);
      expect(await call.write('after')).to.equal(false);
    });

    it('a program that writes without pause still receives the result', async () => {
      const { call } = open();
      const peer = await accepted(server.nextConnection());
      void peer.nextInput().then(() => {
        peer.sendControl(succeeded);
      });
      let written = 0;
      while (await call.write('')) written += 1;
      expect(written).to.be.lessThan(creditBytes);
      expect((await call.result).status).to.equal('succeeded');
    });

    it('utf8Length counts bytes as UTF-8', () => {
      for (const text of ['', 'a', 'é', '€', '😀', 'a😀é', '\ud83d', '\ude00x', '\ud83d\ud83d\ude00']) {
        expect(utf8Length(text), JSON.stringify(text)).to.equal(Buffer.byteLength(text));
      }
    });
  });

  describe('cancelling with the client', () => {
    it('the client sends a cancel for each call of cancel()', async () => {
      const { call } = open();
      const peer = await accepted(server.nextConnection());
      await until(() => call.run !== undefined);
      call.cancel();
      call.cancel();
      expect(await peer.nextControl()).to.deep.equal({ signal: 'cancel' });
      expect(await peer.nextControl()).to.deep.equal({ signal: 'cancel' });
      peer.sendControl({ ...succeeded, success: false, status: 'cancelled' });
      expect((await call.result).status).to.equal('cancelled');
    });

    it('a cancel before the connection opens withdraws the call, and nothing is sent', async () => {
      const { call } = open();
      call.cancel();
      const result = await call.result;
      expect(result).to.deep.equal({
        success: false,
        status: 'cancelled',
        message: 'cancelled before the call was sent',
        lost: 'never-sent',
      });
      expect(server.countFrames()).to.equal(0);
    });

    it('an AbortSignal cancels the call, even if it was aborted before the call', async () => {
      const abort = new AbortController();
      const { call } = open({ signal: abort.signal });
      const peer = await accepted(server.nextConnection());
      abort.abort();
      expect(await peer.nextControl()).to.deep.equal({ signal: 'cancel' });
      peer.sendControl({ ...succeeded, success: false, status: 'cancelled' });
      await call.result;
      expect((await open({ signal: AbortSignal.abort() }).call.result).status).to.equal('cancelled');
    });

    it('a cancel after the end does nothing', async () => {
      const { call } = open();
      (await accepted(server.nextConnection())).sendControl(succeeded);
      await call.result;
      call.cancel();
      call.end();
      call.resize({ cols: 1, rows: 1 });
      expect(await call.result).to.deep.equal(succeeded);
    });
  });

  it('the client sends the new size of a terminal', async () => {
    const { call } = open();
    const peer = await accepted(server.nextConnection());
    await until(() => call.run !== undefined);
    call.resize({ cols: 120, rows: 40 });
    expect(await peer.nextControl()).to.deep.equal({ signal: 'resize', cols: 120, rows: 40 });
    peer.sendControl(succeeded);
    await call.result;
  });

  for (const size of [
    { cols: NaN, rows: 24 },
    { cols: 80, rows: Infinity },
    { cols: 80.5, rows: 24 },
    { cols: 0, rows: 0 },
  ]) {
    it(`W1: the client does not send the invalid size ${size.cols} x ${size.rows} but reports it`, async () => {
      const { call, items } = open({ terminal: size });
      const peer = await server.nextConnection();
      expect(await peer.nextControl()).to.have.keys('call', 'params', 'run');
      peer.sendControl(running);
      await until(() => call.run !== undefined);
      call.resize(size);
      call.resize({ cols: 120, rows: 40 });
      expect(await peer.nextControl()).to.deep.equal({ signal: 'resize', cols: 120, rows: 40 });
      peer.sendControl(succeeded);
      await call.result;
      const notices = items.flatMap((item) => ('notice' in item ? [item.notice.code] : []));
      expect(notices).to.deep.equal(['invalid-size', 'invalid-size']);
    });
  }

  describe('the client without a result', () => {
    it('the client reports the status unknown if the connection breaks', async () => {
      const { call, items } = open({ reconnect: false });
      const peer = await accepted(server.nextConnection());
      peer.sendText('one');
      await until(() => items.length === 2);
      peer.terminate();
      const result = await call.result;
      expect(result).to.include({ success: false, status: 'unknown', lost: 'disconnected', next: 2 });
      expect(result.message).to.equal('connection lost before the result arrived: close code 1006');
    });

    it('the client reports the status unknown if the server closes without a result', async () => {
      const { call } = open({ reconnect: false });
      (await accepted(server.nextConnection())).close(1011);
      const result = await call.result;
      expect(result).to.include({ status: 'unknown', lost: 'disconnected' });
      expect(result.message).to.contain('close code 1011');
    });

    it('the client reports that nothing was sent if no server listens', async () => {
      const free = createServer().listen(0, '127.0.0.1');
      await once(free, 'listening');
      const { port } = free.address() as AddressInfo;
      free.close();
      await once(free, 'close');
      const result = await open({ url: `ws://127.0.0.1:${port}/` }).call.result;
      expect(result).to.include({ status: 'unknown', lost: 'never-sent' });
      expect(result.message).to.match(/^cannot connect to ws:.*ECONNREFUSED/);
    });

    it('the client reports that nothing was sent if the upgrade is rejected', async () => {
      server.rejectUpgrades(501);
      const result = await open().call.result;
      expect(result).to.include({ status: 'unknown', lost: 'never-sent' });
      expect(result.message).to.contain('501');
    });
  });

  it('the client closes its connection after the result, even if the server does not', async () => {
    const { call } = open();
    const peer = await accepted(server.nextConnection());
    peer.sendControl(succeeded);
    await call.result;
    await peer.closed;
  });

  it("endpoint() derives the websocket address from the gateway's address", () => {
    expect(endpoint('http://127.0.0.1:8080')).to.equal('ws://127.0.0.1:8080/api/v1/ws');
    expect(endpoint('https://host/prefix/')).to.equal('wss://host/prefix/api/v1/ws');
    expect(endpoint('ws://host/api/v1/ws/')).to.equal('ws://host/api/v1/ws/');
    expect(() => endpoint('nonsense')).to.throw();
  });
});

async function rejection(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no rejection',
    (error: unknown) => (error as Error).message,
  );
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 5_000; !condition(); ) {
    if (performance.now() > deadline) throw new Error('waited too long');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
