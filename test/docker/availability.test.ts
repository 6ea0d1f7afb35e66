// Tests the connection to the Docker engine and the messages when there is none.

import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { connect, defaultHosts, unavailableReason } from '../../server/docker/connect.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { createTestEngine } from '../helpers/docker/test-engine.ts';
import { fakePorts } from '../helpers/runs/fake-run-ports.ts';

describe('docker availability', function () {
  this.timeout(60_000);

  it('an engine that answers is available', async () => {
    const engine = createTestEngine(await sharedEngineHost());
    expect(await engine.availability()).to.deep.equal({ available: true });
    engine.close();
  });

  it('a request to the engine does not format all pending requests for a debug log', async () => {
    const reached = await connect(await sharedEngineHost());
    if ('why' in reached) throw new Error(reached.why);
    const agent: unknown = Reflect.get(reached.docker.modem, 'agent');
    expect(inspect(agent, { showHidden: true, depth: null })).to.equal('Agent');
    reached.close();
  });

  it('the gateway finds an engine among the candidates', async () => {
    const engine = createTestEngine('auto', { candidates: ['unix:///no/such/engine.sock', await sharedEngineHost()] });
    expect(await engine.availability()).to.deep.equal({ available: true });
    engine.close();
  });

  it('an unavailable engine is reported with advice but without the addresses that were tried', async () => {
    const engine = createTestEngine('unix:///no/such/engine.sock');
    expect(await engine.availability()).to.deep.equal({
      available: false,
      reason: 'no Docker engine answers: start one, or set docker.host in distillery.yaml',
    });
    engine.close();
  });

  it('S10: the reason for an unavailable engine says that the gateway may not open the socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dk-denied-'));
    const socket = join(folder, 'docker.sock');
    const server = createServer();
    server.listen(socket);
    await once(server, 'listening');
    await chmod(folder, 0o700);
    const uid = process.geteuid!();
    try {
      // Root may open every socket, so this test connects as another user.
      process.seteuid!(65_534);
      const reached = await connect(`unix://${socket}`);
      if (!('why' in reached)) throw new Error('the engine answered');
      expect(unavailableReason(reached)).to.match(
        /^no Docker engine answers: the gateway has no right on its socket; add/,
      );
    } finally {
      process.seteuid!(uid);
      server.close();
      await rm(folder, { recursive: true });
    }
  });

  it('an invalid engine address is reported with the valid formats', async () => {
    expect(await connect('ssh://somewhere'))
      .to.have.property('why')
      .that.contains('write unix:///path or tcp://host:port');
  });

  it('defaultHosts returns the configured address first, the default sockets next and the candidates last', () => {
    expect(defaultHosts({ DOCKER_HOST: 'tcp://a:1', XDG_RUNTIME_DIR: '/run/user/7' }, ['unix:///more'])).to.deep.equal([
      'tcp://a:1',
      'unix:///var/run/docker.sock',
      'unix:///run/user/7/docker.sock',
      'unix:///run/user/7/podman/podman.sock',
      'unix:///run/podman/podman.sock',
      'unix:///more',
    ]);
  });

  describe('an engine behind a test proxy', () => {
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

    it('simultaneous availability checks share one request', async () => {
      let asked = 0;
      await listen(path, (socket) => {
        asked += 1;
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}');
      });
      const engine = createTestEngine(`unix://${path}`);
      const answers = await Promise.all(Array.from({ length: 50 }, () => engine.availability()));
      expect(answers.every(({ available }) => available)).to.equal(true);
      expect(asked).to.equal(1);
      engine.close();
    });

    it('a check of an engine that does not respond times out', async () => {
      await listen(path, () => {});
      expect(await connect(`unix://${path}`))
        .to.have.property('why')
        .that.contains('no answer within 3 s');
    });

    it('a container receives its input and the end of that input although requests are split over TCP', async () => {
      const host = await sharedEngineHost();
      const server = await listen(0, (socket) => {
        const upstream = createConnection({ path: host.slice('unix://'.length), allowHalfOpen: true });
        sockets.add(upstream);
        upstream
          .on('error', () => {})
          .on('close', () => sockets.delete(upstream))
          .pipe(socket);
        // Send head and body in separate segments. If an attach request had a body, that body would then become input
        // for the container.
        socket
          .on('data', (chunk) => {
            const cut = chunk.indexOf('\r\n\r\n') + 4;
            upstream.write(chunk.subarray(0, cut));
            if (cut < chunk.length) setImmediate(() => upstream.write(chunk.subarray(cut)));
          })
          .on('end', () => setImmediate(() => upstream.end()));
      });
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      const engine = createTestEngine(`tcp://127.0.0.1:${address.port}`);
      const run = fakePorts();
      const work = engine.container(run.ports)({ image: 'busybox', command: ['cat'], network: 'none' });
      await run.waitForEvent('container-started');
      run.sendInput('hello\n');
      run.endInput();
      expect(await work).to.deep.equal({ exitCode: 0 });
      expect(run.output.stdout()).to.equal('hello\n');
      expect((await run.releaseAll({ container: engine.release })).clean).to.equal(true);
      engine.close();
    });
  });
});
