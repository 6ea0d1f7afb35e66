// Tests how a session writes frames to its socket: its limits, and when it is full.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import { v2 } from '../../protocol/dialects/v2.ts';
import type { OutputEntry } from '../../server/runs/log/entry.ts';
import { beginning } from '../../server/runs/log/position.ts';
import { encodeOnce } from '../../server/runs/views/watcher.ts';
import { encodeTextFrames } from '../../server/session/frames/websocket-frames.ts';
import { SocketSink } from '../../server/session/socket-sink.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const entryBytes = (64 << 10) + 10;

/** Creates an entry whose only frame has `entryBytes`. */
function createEntry(): OutputEntry {
  const pieces = [Buffer.alloc(64 << 10, 'x')];
  return { type: 'raw', start: beginning, end: { ...beginning, byte: 64 << 10 }, pieces };
}

const openSocket = { readyState: WebSocket.OPEN } as WebSocket;

describe('the sink of a socket', () => {
  let server: Server;
  let ends: { readonly ours: Socket; readonly theirs: Socket }[] = [];

  beforeEach(async () => {
    server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(async () => {
    for (const { ours, theirs } of ends) {
      ours.destroy();
      theirs.destroy();
    }
    ends = [];
    server.close();
    await once(server, 'close');
  });

  /** Connects a socket whose other end does not read. */
  async function connectPair(): Promise<{ readonly ours: Socket; readonly theirs: Socket }> {
    const theirs = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' }).pause();
    const [ours] = (await once(server, 'connection')) as [Socket];
    ends.push({ ours, theirs });
    return { ours, theirs };
  }

  /** Writes frames until the sink is full, as a watcher does. */
  function fill(sink: SocketSink): void {
    while (!sink.full) sink.output(createEntry());
  }

  it('control messages and output of one event-loop turn go into one write, in their order', async () => {
    const { ours, theirs } = await connectPair();
    const writes: number[] = [];
    const { _writev, _write } = ours;
    ours._writev = function countedWritev(chunks, callback) {
      writes.push(chunks.length);
      return _writev!.call(this, chunks, callback);
    };
    ours._write = function countedWrite(...args) {
      writes.push(1);
      return _write.apply(this, args);
    };
    const sink = new SocketSink(openSocket, ours, { dialect: v2, bytesMax: 1 << 20 });
    const received: Buffer[] = [];
    theirs.on('data', (chunk: Buffer) => received.push(chunk)).resume();
    sink.sendControl(Buffer.from('first'));
    sink.text(Buffer.from('second'));
    sink.sendControl(Buffer.from('third'));
    await waitUntil('all has arrived', () =>
      /first[^]*second[^]*third/.test(Buffer.concat(received).toString('latin1')),
    );
    expect(writes).to.deep.equal([3]);
    sink.sendControl(Buffer.from('fourth'));
    await waitUntil('the next turn has arrived', () => Buffer.concat(received).includes('fourth'));
    expect(writes).to.deep.equal([3, 1]);
  });

  it('the sink releases the frames that the kernel has accepted, and no others', async () => {
    const { ours } = await connectPair();
    const sink = new SocketSink(openSocket, ours, { dialect: v2, bytesMax: 1 << 20 });
    const [taken, waiting] = [createEntry(), createEntry()];
    sink.output(taken);
    expect(encodeOnce(taken, encodeTextFrames).pinned).to.equal(false);
    fill(sink);
    sink.output(waiting);
    expect(encodeOnce(waiting, encodeTextFrames).pinned).to.equal(true);
  });

  it('one sink is full at its own limit, and all sinks together at the common limit plus one entry each', async () => {
    const sinks: { readonly ours: Socket; readonly sink: SocketSink }[] = [];
    for (let i = 0; i < 8; i++) {
      const { ours } = await connectPair();
      sinks.push({
        ours,
        sink: new SocketSink(openSocket, ours, { dialect: v2, bytesMax: 512 << 10, allBytesMax: 1 << 20 }),
      });
    }
    for (const { sink } of sinks) fill(sink);
    const waiting = sinks.map(({ ours }) => ours.writableLength);
    expect(waiting[0]).to.be.within(512 << 10, (512 << 10) + entryBytes);
    for (const bytes of waiting.slice(3)) expect(bytes).to.be.within(1, entryBytes);
    expect(waiting.reduce((sum, bytes) => sum + bytes)).to.be.below((1 << 20) + 9 * entryBytes);
  });

  it('bytes that the kernel has accepted at the end of a turn do not count for the common limit', async () => {
    const options = { dialect: v2, bytesMax: 1 << 20, allBytesMax: 256 << 10 };
    for (let i = 0; i < 10; i++) {
      const { ours } = await connectPair();
      new SocketSink(openSocket, ours, options).sendControl(Buffer.alloc(15 << 10));
    }
    const { ours } = await connectPair();
    const sink = new SocketSink(openSocket, ours, options);
    fill(sink);
    expect(ours.writableLength).to.be.at.least(256 << 10);
  });

  it('a full sink always receives a drain event', async () => {
    const { ours, theirs } = await connectPair();
    // A limit of one byte is less than the high-water mark of the socket.
    const sink = new SocketSink(openSocket, ours, { dialect: v2, bytesMax: 1 });
    fill(sink);
    let drained = false;
    ours.once('drain', () => {
      drained = true;
    });
    theirs.resume();
    await waitUntil('the socket drains', () => drained);
    expect(sink.full).to.equal(false);
  });

  it('a closed sink frees its share of the common limit', async () => {
    const [first, second] = [await connectPair(), await connectPair()];
    const options = { dialect: v2, bytesMax: 512 << 10, allBytesMax: 512 << 10 };
    const [one, other] = [
      new SocketSink(openSocket, first.ours, options),
      new SocketSink(openSocket, second.ours, options),
    ];
    fill(one);
    fill(other);
    expect(second.ours.writableLength).to.be.at.most(entryBytes);
    first.ours.destroy();
    await once(first.ours, 'close');
    expect(one.full).to.equal(false);
    expect(other.full).to.equal(false);
    fill(other);
    expect(second.ours.writableLength).to.be.at.least(512 << 10);
  });
});
