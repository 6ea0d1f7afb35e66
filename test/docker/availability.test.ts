// Is there an engine, and if not, what to do about it.

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { connect, usualHosts } from '../../server/docker/connect.ts';
import { sharedEngine } from '../helpers/engine.ts';
import { fakePorts } from '../helpers/ports.ts';
import { testEngine } from './setup.ts';

describe('docker availability', function () {
  this.timeout(30_000);

  it('is given when the engine answers', async () => {
    const engine = testEngine(await sharedEngine());
    expect(await engine.availability()).to.deep.equal({ available: true });
    engine.close();
  });

  it('is asked for at the same cost however much is under way: no request is described with all the others', async () => {
    const reached = await connect(await sharedEngine());
    if ('why' in reached) throw new Error(reached.why);
    const agent: unknown = Reflect.get(reached.docker.modem, 'agent');
    expect(inspect(agent, { showHidden: true, depth: null })).to.equal('Agent');
    reached.close();
  });

  it('finds an engine among the candidates', async () => {
    const engine = testEngine('auto', { candidates: ['unix:///no/such/engine.sock', await sharedEngine()] });
    expect(await engine.availability()).to.deep.equal({ available: true });
    engine.close();
  });

  it('says what to do when nothing is there, and not where it looked', async () => {
    const engine = testEngine('unix:///no/such/engine.sock');
    expect(await engine.availability()).to.deep.equal({
      available: false,
      reason: 'no Docker engine answers: start one, or name it in distillery.yaml as docker.host',
    });
    engine.close();
  });

  it('says what an address has to look like', async () => {
    expect(await connect('ssh://somewhere')).to.have.property('why').that.contains('write unix:///path or tcp://host:port');
  });

  it('looks in the usual places, the named one first and the given ones last', () => {
    expect(usualHosts({ DOCKER_HOST: 'tcp://a:1', XDG_RUNTIME_DIR: '/run/user/7' }, ['unix:///more'])).to.deep.equal([
      'tcp://a:1', 'unix:///var/run/docker.sock', 'unix:///run/user/7/docker.sock', 'unix:///run/user/7/podman/podman.sock',
      'unix:///run/podman/podman.sock', 'unix:///more',
    ]);
  });

  describe('by way of a listener', () => {
    let folder: string;
    let path: string;
    const servers: Server[] = [];
    const sockets = new Set<Socket>();

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'dk-listen-'));
      path = join(folder, 's');
    });

    afterEach(async () => {
      for (const socket of sockets) socket.destroy();
      for (const server of servers.splice(0)) {
        server.close();
        await once(server, 'close');
      }
    });

    after(() => rm(folder, { recursive: true }));

    async function listen(at: string | number, accept: (socket: Socket) => void): Promise<Server> {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        sockets.add(socket);
        socket.on('error', () => {}).on('close', () => sockets.delete(socket));
        accept(socket);
      });
      servers.push(server);
      if (typeof at === 'string') server.listen(at);
      else server.listen(at, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }

    it('asks once for many who want to know at the same time', async () => {
      let asked = 0;
      await listen(path, (socket) => {
        asked += 1;
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}');
      });
      const engine = testEngine(`unix://${path}`);
      const answers = await Promise.all(Array.from({ length: 50 }, () => engine.availability()));
      expect(answers.every(({ available }) => available)).to.equal(true);
      expect(asked).to.equal(1);
      engine.close();
    });

    it('does not wait for ever for one that says nothing', async () => {
      await listen(path, () => {});
      expect(await connect(`unix://${path}`)).to.have.property('why').that.contains('no answer within 3 s');
    });

    it('passes on input and its end although requests come in pieces over TCP', async () => {
      const host = await sharedEngine();
      const server = await listen(0, (socket) => {
        const upstream = createConnection({ path: host.slice('unix://'.length), allowHalfOpen: true });
        sockets.add(upstream);
        upstream.on('error', () => {}).on('close', () => sockets.delete(upstream)).pipe(socket);
        // Head and body in different segments: a body of an attach request would become input of the container.
        socket.on('data', (chunk) => {
          const cut = chunk.indexOf('\r\n\r\n') + 4;
          upstream.write(chunk.subarray(0, cut));
          if (cut < chunk.length) setImmediate(() => upstream.write(chunk.subarray(cut)));
        }).on('end', () => setImmediate(() => upstream.end()));
      });
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      const engine = testEngine(`tcp://127.0.0.1:${address.port}`);
      const run = fakePorts();
      const flow = engine.container(run.ports)({ image: 'busybox', command: ['cat'], network: 'none' });
      await run.event('container-started');
      run.feed('hello\n');
      run.endInput();
      expect(await flow).to.deep.equal({ exitCode: 0 });
      expect(run.output.stdout()).to.equal('hello\n');
      expect((await run.releaseWith({ container: engine.release })).clean).to.equal(true);
      engine.close();
    });
  });
});
