// Tests every listener of a gateway: the Host header, absolute targets, domains with a port, and idle connections.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

interface Target {
  readonly name: string;
  /** A path that returns 200 to GET. */
  readonly path: string;
  /** True if the path belongs to the listener of the pin API. */
  readonly isPin?: true;
  /** Status of a request with a foreign host. */
  readonly foreign: number;
}

const targets: readonly Target[] = [
  { name: 'the JSON API', path: '/api/v1/http/calls', foreign: 404 },
  { name: 'the pow-1 REST API', path: '/api/v1/pow/openapi.json', foreign: 404 },
  { name: 'the pin API on its own address', path: '/health', isPin: true, foreign: 403 },
];

const websocketHeaders = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];

describe('a listener of the gateway', () => {
  let gateway: TestGateway;
  before(async () => {
    const http = 'api: true, listen: "127.0.0.1:0", domains: ["example.org:8443", plain.example.org], keepAlive: 1s';
    gateway = await startTestGateway(`http: { ${http} }\ncompat: { pin: { listen: "127.0.0.1:0" } }\n`);
  });
  after(() => gateway.stop());

  const readPort = (isPin = false): number => {
    if (!isPin) return Number(new URL(gateway.url).port);
    return Number(/the pin API is listening \{"url":"http:\/\/[^"]*:(\d+)"/.exec(gateway.logText())?.[1]);
  };

  /** Sends the lines of a request head and returns the whole response. */
  async function send(lines: readonly string[], isPin?: boolean): Promise<string> {
    const socket = connect(readPort(isPin), '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    await once(socket, 'close');
    return Buffer.concat(chunks).toString();
  }

  const readStatus = (response: string): number => Number(/^HTTP\/1\.1 (\d{3}) /.exec(response)?.[1]);
  const closing = 'Connection: close';

  for (const { name, path, isPin, foreign } of targets) {
    it(`W2: two Host headers are rejected with 400, at ${name}`, async () => {
      for (const hosts of [
        ['localhost', 'localhost'],
        ['localhost', 'evil.example'],
        ['evil.example', 'localhost'],
      ]) {
        const lines = [`GET ${path} HTTP/1.1`, ...hosts.map((host) => `Host: ${host}`), closing];
        expect(readStatus(await send(lines, isPin)), hosts.join()).to.equal(400);
      }
      expect(await send([`GET ${path} HTTP/1.1`, 'Host: localhost', 'HOST: localhost', closing], isPin)).to.contain(
        'the request has 2 Host headers; send exactly one',
      );
    });

    it(`W2: the host of an absolute target replaces the Host header, at ${name}`, async () => {
      const ask = async (target: string, host: string): Promise<number> =>
        readStatus(await send([`GET ${target} HTTP/1.1`, `Host: ${host}`, closing], isPin));
      expect(await ask(`http://evil.example${path}`, 'localhost')).to.equal(foreign);
      expect(await ask(`HTTP://EVIL.example:80${path}`, 'localhost')).to.equal(foreign);
      expect(await ask(`http://localhost@evil.example${path}`, 'localhost')).to.equal(400);
      // The JSON API rejects the unknown parameter, and not the host.
      const status = path.startsWith('/api/v1/http') ? 400 : 200;
      expect(await ask(`http://localhost${path}?x=http://evil.example/`, 'localhost')).to.equal(status);
      expect(await ask(`https://127.0.0.1:1${path}`, 'evil.example')).to.equal(200);
      expect(await ask('http://[/', 'localhost')).to.equal(400);
      expect(await ask(`ftp://localhost${path}`, 'localhost')).to.equal(400);
    });
  }

  for (const { name, path, isPin, foreign } of targets)
    it(`W2: only well-formed hosts that name the gateway are accepted, at ${name}`, async () => {
      const ask = async (host: string): Promise<number> =>
        readStatus(await send([`GET ${path} HTTP/1.1`, `Host: ${host}`, closing], isPin));
      for (const host of ['LOCALHOST', 'localhost.', 'localhost:1', '127.0.0.1:99', '[::1]', '[::1]:80', 'a.localhost'])
        expect(await ask(host), host).to.equal(200);
      for (const host of [
        '',
        'localhost@evil.example',
        'evil.example#localhost',
        'localhost evil.example',
        'localhost,evil.example',
        'localhost:x',
        'localhost..',
        'evil.example.localhost.example',
        '127.0.0.1.evil.example',
        '[::1].evil.example',
      ])
        expect(await ask(host), host).to.be.oneOf([foreign, 400]);
      expect(readStatus(await send([`GET ${path} HTTP/1.1`, closing], isPin))).to.equal(400);
    });

  for (const { name, path, isPin, foreign } of targets)
    it(`W2: the host of an absolute target can be any spelling of the gateway's own, at ${name}`, async () => {
      const ask = async (target: string): Promise<number> =>
        readStatus(await send([`GET ${target} HTTP/1.1`, 'Host: evil.example', closing], isPin));
      for (const host of ['LocalHost', 'localhost.', 'localhost:80', '[::1]', '[::1]:8080'])
        expect(await ask(`http://${host}${path}`), host).to.equal(200);
      for (const host of ['evil.example', 'evil.example.', '[::2].evil.example', 'localhost.evil.example'])
        expect(await ask(`http://${host}${path}`), host).to.be.oneOf([foreign, 400]);
      for (const target of [`//localhost${path}`, 'localhost', `http:///${path}`, `http://${path}`])
        expect(await ask(target), target).to.be.oneOf([400, 403, 404]);
    });

  it('S8: every API ignores Basic credentials that a proxy passes on; an invalid token is rejected', async () => {
    for (const { path, isPin } of targets)
      for (const value of ['Basic YWRhOnNlY3JldA==', 'basic x', 'Negotiate x']) {
        const lines = [`GET ${path} HTTP/1.1`, 'Host: localhost', `Authorization: ${value}`, closing];
        expect(readStatus(await send(lines, isPin)), path).to.equal(200);
      }
    const token = ['GET /api/v1/http/calls HTTP/1.1', 'Host: localhost', 'Authorization: Bearer x', closing];
    expect(readStatus(await send(token))).to.equal(401);
    for (const path of ['/api/v1/ws', '/api/v1/pow']) {
      const options = { headers: { Authorization: 'Basic YWRhOnNlY3JldA==' } };
      const client = await connectWsClient(`${gateway.url.replace('http', 'ws')}${path}`, ['pow-1'], options);
      client.ws.terminate();
    }
  });

  it('W2: a websocket with two Host headers or a foreign host in its target is rejected', async () => {
    for (const path of ['/api/v1/ws', '/api/v1/pow']) {
      const protocol = path.endsWith('pow') ? ['Sec-WebSocket-Protocol: pow-1'] : [];
      const upgrade = async (target: string, hosts: readonly string[]): Promise<number> =>
        readStatus(
          await send([
            `GET ${target} HTTP/1.1`,
            ...hosts.map((host) => `Host: ${host}`),
            ...websocketHeaders,
            ...protocol,
          ]),
        );
      expect(await upgrade(path, ['localhost', 'localhost'])).to.equal(400);
      expect(await upgrade(`http://evil.example${path}`, ['localhost'])).to.equal(404);
    }
  });

  it('W2: the origin of a page must match the host of an absolute target', async () => {
    const post = async (target: string, origin: string): Promise<number> =>
      readStatus(
        await send([`POST ${target} HTTP/1.1`, 'Host: localhost:1', `Origin: ${origin}`, 'Content-Length: 0', closing]),
      );
    expect(await post('http://127.0.0.1:2/api/v1/pow/new', 'http://127.0.0.1:2')).to.equal(400);
    expect(await post('http://127.0.0.1:2/api/v1/pow/new', 'http://localhost:1')).to.equal(403);
  });

  it('W3: a domain with a port is accepted only with this port, and one without a port with every port', async () => {
    const ask = async (host: string): Promise<number> =>
      readStatus(await send(['GET /api/v1/http/calls HTTP/1.1', `Host: ${host}`, closing]));
    expect(await ask('example.org:8443')).to.equal(200);
    expect(await ask('EXAMPLE.org:8443')).to.equal(200);
    for (const host of ['example.org.:8443', 'Example.ORG.:8443']) expect(await ask(host), host).to.equal(200);
    for (const host of ['example.org', 'example.org:80', 'example.org:84433', 'sub.example.org:8443', 'example.org:'])
      expect(await ask(host), host).to.equal(404);
    for (const host of ['plain.example.org', 'plain.example.org:8443']) expect(await ask(host), host).to.equal(200);
  });

  for (const { name, path, isPin } of targets)
    it(`W4: an idle connection stays open for http.keepAlive, at ${name}`, async () => {
      const socket = connect(readPort(isPin), '127.0.0.1');
      const answers: string[] = [];
      socket.on('data', (chunk) => answers.push(chunk.toString()));
      const closed = once(socket, 'close');
      request(socket, path);
      await waitUntil('the first response arrives', () => answers.join('').startsWith('HTTP/1.1 200 '));
      request(socket, path);
      await waitUntil('the second response arrives', () => answers.join('').split('HTTP/1.1 200 ').length === 3);
      await closed;
    });
});

function request(socket: Socket, path: string): void {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
}

describe('a listener of a gateway without http.keepAlive', () => {
  it('W4: the default Keep-Alive is 65 s, longer than the 60 s of common load balancers', async () => {
    const gateway = await startTestGateway(
      'http: { api: true, listen: "127.0.0.1:0" }\ncompat: { pin: { prefix: /pin } }\n',
    );
    try {
      for (const path of ['/api/v1/http/calls', '/api/v1/pow/openapi.json', '/pin/health'])
        expect((await fetch(`${gateway.url}${path}`)).headers.get('keep-alive'), path).to.equal('timeout=65');
    } finally {
      await gateway.stop();
    }
  });

  it('W4: a request is accepted after an idle time longer than limits.requestMs', async () => {
    const gateway = await startTestGateway('http: { listen: "127.0.0.1:0" }\nlimits: { requestMs: 1s }\n');
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    try {
      const answers: string[] = [];
      socket.on('data', (chunk) => answers.push(chunk.toString()));
      request(socket, '/healthz');
      await waitUntil('the first response arrives', () => answers.length > 0);
      // Node checks the limit only once a second, so wait for several checks.
      await new Promise((resolve) => setTimeout(resolve, 3_200));
      answers.length = 0;
      request(socket, '/healthz');
      await waitUntil('the second response arrives', () => answers.length > 0);
      expect(answers.join('')).to.match(/^HTTP\/1\.1 200 /);
    } finally {
      socket.destroy();
      await gateway.stop();
    }
  });
});
