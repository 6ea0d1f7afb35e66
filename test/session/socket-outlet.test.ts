import { expect } from 'chai';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import { v2 } from '../../protocol/dialects/v2.ts';
import { SocketOutlet } from '../../server/session/socket-outlet.ts';
import { until } from '../helpers/until.ts';

const frames = Buffer.alloc(64 << 10, 'x');
const open = { readyState: WebSocket.OPEN } as WebSocket;

describe('the outlet of a socket', () => {
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

  /** A socket whose peer does not read. */
  async function pair(): Promise<{ readonly ours: Socket; readonly theirs: Socket }> {
    const theirs = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' }).pause();
    const [ours] = (await once(server, 'connection')) as [Socket];
    ends.push({ ours, theirs });
    return { ours, theirs };
  }

  /** Gives it frames until it is full, as a watcher does. */
  function fill(outlet: SocketOutlet): void {
    while (!outlet.full) outlet.frames(frames);
  }

  it('is done with frames that the system has taken, and not with others', async () => {
    const { ours } = await pair();
    const outlet = new SocketOutlet(open, ours, { dialect: v2, bytesMax: 1 << 20 });
    expect(outlet.frames(frames)).to.equal('done');
    fill(outlet);
    expect(outlet.frames(frames)).to.equal(undefined);
  });

  it('holds what one may, and together with the others what all may and one item each', async () => {
    const outlets: { readonly ours: Socket; readonly outlet: SocketOutlet }[] = [];
    for (let i = 0; i < 8; i++) {
      const { ours } = await pair();
      outlets.push({ ours, outlet: new SocketOutlet(open, ours, { dialect: v2, bytesMax: 512 << 10, allBytesMax: 1 << 20 }) });
    }
    for (const { outlet } of outlets) fill(outlet);
    const waiting = outlets.map(({ ours }) => ours.writableLength);
    expect(waiting[0]).to.be.within(512 << 10, (512 << 10) + frames.length);
    for (const bytes of waiting.slice(3)) expect(bytes).to.be.within(1, frames.length);
    expect(waiting.reduce((sum, bytes) => sum + bytes)).to.be.below((1 << 20) + 9 * frames.length);
  });

  it('is told to go on whenever it was full', async () => {
    const { ours, theirs } = await pair();
    // Less than a socket waits for by itself.
    const outlet = new SocketOutlet(open, ours, { dialect: v2, bytesMax: 1 });
    fill(outlet);
    let drained = false;
    ours.once('drain', () => { drained = true; });
    theirs.resume();
    await until('it drains', () => drained);
    expect(outlet.full).to.equal(false);
  });

  it('that is closed leaves its room to the others', async () => {
    const [first, second] = [await pair(), await pair()];
    const options = { dialect: v2, bytesMax: 512 << 10, allBytesMax: 512 << 10 };
    const [one, other] = [new SocketOutlet(open, first.ours, options), new SocketOutlet(open, second.ours, options)];
    fill(one);
    fill(other);
    expect(second.ours.writableLength).to.be.at.most(frames.length);
    first.ours.destroy();
    await once(first.ours, 'close');
    expect(one.full).to.equal(false);
    expect(other.full).to.equal(false);
    fill(other);
    expect(second.ours.writableLength).to.be.at.least(512 << 10);
  });
});
