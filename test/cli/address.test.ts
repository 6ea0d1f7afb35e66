// Tests how the commands reach a gateway: addresses with credentials, TLS, and servers that are not gateways.

import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type CliOptions, type CliResult, runCli } from '../helpers/cli/run-cli.ts';
import { type Certificate, createAuthority, type TestAuthority } from '../helpers/cli/test-certificates.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';

/** One command of each kind that connects to a gateway. */
const commands: readonly (readonly string[])[] = [
  ['call', 'say'],
  ['run', 'pipeline.yaml'],
  ['attach', 'some-run'],
  ['logs', 'some-run'],
  ['logs', '--follow', 'some-run'],
  ['runs'],
  ['cancel', 'some-run'],
];

describe('the address of a gateway', function () {
  this.timeout(60_000);
  const servers: (Server | TcpServer)[] = [];
  let folder: string;
  let gateway: TestGateway;
  let authority: TestAuthority;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'address-'));
    authority = await createAuthority(folder);
    gateway = await startTestGateway('calls: { say: { process: [echo, hello] } }\npipelines: { hostJobs: true }', {
      'pipeline.yaml': 'workflow: [a]\na: { host: true, script: echo hello }',
    });
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      if ('closeAllConnections' in server) server.closeAllConnections();
      server.close();
      await once(server, 'close');
    }
  });
  after(async () => {
    await gateway.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Listens on a free port and returns `host:port`. */
  async function listen(server: Server | TcpServer): Promise<string> {
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const distillery = (args: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
    runCli(args, { cwd: gateway.folder, ...options });

  async function runAll(url: string, options: CliOptions = {}): Promise<readonly CliResult[]> {
    const results: CliResult[] = [];
    for (const command of commands) results.push(await distillery([...command, '--url', url], options));
    return results;
  }

  /** A proxy that terminates TLS, checks credentials, and forwards everything to the gateway. */
  function createProxy(options: { readonly certificate?: Certificate; readonly authorization?: string }): Server {
    const sockets = new Set<Socket>();
    const handler: RequestListener = (request, response) => {
      if (request.headers.authorization !== options.authorization) {
        response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="test"' }).end('<h1>Unauthorized</h1>');
        return;
      }
      const { authorization: _, ...headers } = request.headers;
      void fetch(`${gateway.url}${request.url}`, { headers: { accept: String(headers.accept) } }).then(
        async (answer) => {
          response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
        },
      );
    };
    const server =
      options.certificate === undefined ? createServer(handler) : createTlsServer({ ...options.certificate }, handler);
    server.on('upgrade', (request, socket: Socket) => {
      if (request.headers.authorization !== options.authorization)
        return void socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n');
      const { port } = new URL(gateway.url);
      const upstream = connect(Number(port), '127.0.0.1', () => {
        const headers = Object.entries({ ...request.headers, host: `127.0.0.1:${port}` })
          .filter(([name]) => name !== 'authorization')
          .map(([name, value]) => `${name}: ${String(value)}\r\n`);
        upstream.write(`GET ${request.url} HTTP/1.1\r\n${headers.join('')}\r\n`);
        socket.pipe(upstream).pipe(socket);
      });
      for (const one of [socket, upstream]) {
        sockets.add(one);
        one.on('error', () => {}).on('close', () => [socket, upstream].map((both) => both.destroy()));
      }
    });
    server.on('close', () => [...sockets].map((socket) => socket.destroy()));
    return server;
  }

  describe('another server', () => {
    it('T4: every command explains that a server accepts its connection and closes it at once', async () => {
      const at = await listen(createTcpServer((socket) => socket.destroy()));
      for (const { code, stderr, stdout } of await runAll(`http://${at}`)) {
        expect(stderr).to.equal(
          `distillery: cannot connect to http://${at}: the server closed the connection without an answer\n` +
            'Does another program use this port? Pass the address of the gateway with --url.\n',
        );
        expect([code, stdout]).to.deep.equal([125, '']);
      }
    });

    it('T11: every command says that a web server is not a gateway', async () => {
      const at = await listen(createServer((_request, response) => response.end('<h1>Welcome</h1>')));
      for (const { code, stderr } of await runAll(`http://${at}`)) {
        expect(stderr).to.equal(`distillery: http://${at} is not a Distillery gateway: it answered 200 OK\n`);
        expect(code).to.equal(125);
      }
    });

    it('T11: every command says that another JSON API is not a gateway', async () => {
      const at = await listen(
        createServer((_request, response) => response.writeHead(404).end('{"message":"Not Found"}')),
      );
      for (const { code, stderr } of await runAll(`http://${at}`)) {
        expect(stderr).to.equal(`distillery: http://${at} is not a Distillery gateway: it answered 404 Not Found\n`);
        expect(code).to.equal(125);
      }
    });

    it('T11: every command says that a server that does not speak HTTP is not a gateway', async () => {
      const at = await listen(
        createTcpServer(
          (socket) =>
            void socket
              .on('error', () => {})
              .resume()
              .end('220 mail.example.org ESMTP\r\n'),
        ),
      );
      for (const { code, stderr } of await runAll(`http://${at}`)) {
        expect(stderr).to.match(/^distillery: \S+ is not a Distillery gateway: its answer is not HTTP\n$/);
        expect(code).to.equal(125);
      }
    });

    it('T11: every command names the target of a redirect, without credentials', async () => {
      const at = await listen(
        createServer((_request, response) =>
          response.writeHead(301, { Location: 'https://user:secret@gateway.example.org/' }).end(),
        ),
      );
      for (const { code, stderr } of await runAll(`http://${at}`)) {
        expect(stderr).to.equal(
          `distillery: http://${at} is not a Distillery gateway: it answered 301 Moved Permanently\n` +
            'It redirects to https://gateway.example.org/\n',
        );
        expect(code).to.equal(125);
      }
    });

    it('T11: the command call says that a websocket server of another kind is not a gateway', async () => {
      const server = createServer();
      server.on('upgrade', (_request, socket) => {
        socket.end(
          [
            'HTTP/1.1 101 Switching Protocols',
            'Upgrade: websocket',
            'Connection: Upgrade',
            'Sec-WebSocket-Accept: x',
            '\r\n',
          ].join('\r\n'),
        );
      });
      const at = await listen(server);
      const { code, stderr } = await distillery(['call', 'say', '--url', `http://${at}`]);
      expect(stderr).to.match(/is not a Distillery gateway: it answered the websocket handshake as another kind/);
      expect(code).to.equal(125);
    });
  });

  describe('TLS', () => {
    const trusted = (): CliOptions => ({ env: { NODE_EXTRA_CA_CERTS: authority.file } });
    const names = 'IP:127.0.0.1';

    it('T11: the commands reach a gateway behind TLS if its private certificate authority is trusted', async () => {
      const at = await listen(createProxy({ certificate: await authority.sign({ names, days: 1 }) }));
      expect(await distillery(['call', 'say', '-q', '--url', `https://${at}`], trusted())).to.include({
        stdout: 'hello\n',
        code: 0,
      });
      expect((await distillery(['runs', '--url', `wss://${at}`], trusted())).code).to.equal(0);
    });

    it('T11: every command names NODE_EXTRA_CA_CERTS if the certificate authority is not trusted', async () => {
      const at = await listen(createProxy({ certificate: await authority.sign({ names, days: 1 }) }));
      for (const { code, stderr } of await runAll(`https://${at}`)) {
        expect(stderr).to.equal(
          `distillery: cannot connect to https://${at}: its certificate is not signed by an authority that this` +
            ' machine trusts\nFor an authority of your own, set NODE_EXTRA_CA_CERTS to the file with its certificate' +
            ' (PEM).\n',
        );
        expect(code).to.equal(125);
      }
    });

    it('T11: every command says that a certificate is for another host, or has expired', async () => {
      const other = await listen(
        createProxy({ certificate: await authority.sign({ names: 'DNS:gateway.example.org', days: 1 }) }),
      );
      const expired = await listen(createProxy({ certificate: await authority.sign({ names, days: -1 }) }));
      for (const { code, stderr } of await runAll(`https://${other}`, trusted())) {
        expect(stderr).to.match(/its certificate is for another host \(gateway\.example\.org\)\n$/);
        expect(code).to.equal(125);
      }
      for (const { code, stderr } of await runAll(`https://${expired}`, trusted())) {
        expect(stderr).to.match(/^distillery: cannot connect to \S+: its certificate has expired\n$/);
        expect(code).to.equal(125);
      }
    });

    it('T11: every command names the right scheme if the address has http for https, or https for http', async () => {
      const at = await listen(createProxy({ certificate: await authority.sign({ names, days: 1 }) }));
      for (const { code, stderr } of await runAll(`http://${at}`)) {
        expect(stderr).to.equal(`distillery: http://${at} expects TLS: use https://${at}\n`);
        expect(code).to.equal(125);
      }
      const secure = gateway.url.replace('http', 'https');
      for (const { code, stderr } of await runAll(secure)) {
        expect(stderr).to.equal(`distillery: ${secure} does not answer with TLS: use ${gateway.url}\n`);
        expect(code).to.equal(125);
      }
    });

    it('T11: every other TLS failure is reported in one sentence, without the text of OpenSSL', async () => {
      const certificate = await authority.sign({ names, days: 1 });
      const at = await listen(createTlsServer({ ...certificate, minVersion: 'TLSv1.3' }));
      const old = { env: { NODE_OPTIONS: '--tls-max-v1.2' } };
      for (const { code, stderr } of await runAll(`https://${at}`, old)) {
        expect(stderr).to.match(/^distillery: cannot connect to \S+: the TLS handshake failed: [a-z0-9 ]+\n$/);
        expect(code).to.equal(125);
      }
    });
  });

  describe('credentials', () => {
    const password = 'p@ss:w/rd';
    const authorization = `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`;
    const hidden = /p@ss|p%40ss|w%2Frd|ada/;
    const withCredentials = (at: string): string => `http://ada:${encodeURIComponent(password)}@${at}`;

    it('T5: every command sends the credentials of the address as a header', async () => {
      const at = await listen(createProxy({ authorization }));
      const url = withCredentials(at);
      const id = 'with-credentials';
      for (const [args, code] of [
        [['call', 'say', '--id', id], 0],
        [['run', 'pipeline.yaml', '--result', 'result.json'], 0],
        [['attach', id], 0],
        [['logs', id], 0],
        [['logs', '--follow', id], 0],
        [['runs'], 0],
        [['cancel', id], 0],
      ] as const) {
        const result = await distillery([...args, '--url', url]);
        expect(result.code, result.stderr).to.equal(code);
        expect(result.stdout + result.stderr).not.to.match(hidden);
        expect((await distillery(args, { env: { DISTILLERY_URL: url } })).stderr).not.to.match(hidden);
      }
      expect(await readFile(join(gateway.folder, 'result.json'), 'utf8')).not.to.match(hidden);
    });

    it('T5: every command explains missing credentials', async () => {
      const at = await listen(createProxy({ authorization }));
      for (const { code, stderr } of await runAll(`http://${at}`)) {
        expect(stderr).to.match(
          /it answered 401 Unauthorized\nIf a proxy asks for a password, write it into the address/,
        );
        expect(code).to.equal(125);
      }
    });

    it('T5: no error message contains the credentials', async () => {
      const tcp = await listen(createTcpServer((socket) => socket.destroy()));
      const web = await listen(createServer((_request, response) => response.end('hello')));
      const urls = ['127.0.0.1:1', tcp, web, 'no-such-host.invalid'].flatMap((at) => [
        withCredentials(at),
        withCredentials(at).replace('http', 'https'),
      ]);
      for (const url of [
        ...urls,
        'ftp://ada:p@ss@host',
        'ada:p@ss@host',
        'http://ada:p@ss@host:port',
        '//ada:p@ss@host',
      ])
        for (const command of [['runs'], ['call', 'say'], ['run', '--json', 'pipeline.yaml', '--result', '-']]) {
          const { stdout, stderr, code } = await distillery([...command, '--url', url]);
          expect(`${stdout}${stderr}`, `${command.join(' ')} --url ${url}`).not.to.match(hidden);
          expect(code).not.to.equal(0);
        }
      for (const args of [
        ['runs', '--urll=http://ada:p@ss@host'],
        ['runs', 'http://ada:p@ss@host'],
        ['attach', 'http://ada:p@ss@host'],
        ['http://ada:p@ss@host'],
        ['runs', '--help', '--url', 'http://ada:p@ss@host'],
      ])
        expect((await distillery(args)).stderr, args.join(' ')).not.to.match(hidden);
    });
  });

  describe('the file for the result', () => {
    it('T6: a command reports a result file that it cannot write, and starts no run', async () => {
      const before = await readdir(gateway.runsFolder).catch(() => []);
      for (const command of [
        ['call', 'say'],
        ['run', 'pipeline.yaml'],
        ['attach', 'a'.repeat(20)],
        ['cancel', 'a'.repeat(20)],
      ])
        for (const [file, why] of [
          ['/no/such/x', 'no such file or directory'],
          [folder, 'illegal operation on a directory'],
        ] as const) {
          const { code, stderr, stdout } = await distillery([...command, '--result', file, '--url', gateway.url]);
          expect(stderr).to.equal(`distillery: cannot write the result to "${file}": ${why}\n`);
          expect([code, stdout]).to.deep.equal([125, '']);
        }
      expect(await readdir(gateway.runsFolder).catch(() => [])).to.deep.equal(before);
    });

    it('T6: a command fails if it cannot write the result at the end', async () => {
      const { code, stderr, stdout } = await distillery(['call', 'say', '--result', '/dev/full', '--url', gateway.url]);
      expect(stderr).to.match(/\ndistillery: cannot write the result to "\/dev\/full": no space left on device\n$/);
      expect([code, stdout]).to.deep.equal([125, 'hello\n']);
    });
  });
});
