// Tests clients that send many requests on one connection before they read a response.

import { readdirSync, readlinkSync } from 'node:fs';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { JsonRoute } from '../../server/http/route.ts';
import { routes } from '../../server/http/routes/routes.ts';
import { type ArtifactFile, openArtifact } from '../../server/runs/views/artifacts.ts';
import { createEndlessFile } from '../helpers/http/endless-file.ts';
import { fakeDeps, fakeRun, serve, type TestServer } from '../helpers/http/test-server.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const artifactPath = `/api/v1/http/runs/${fakeRun.id}/artifacts/build/large`;
const artifactBytes = 4 << 20;
const endlessPath = `/api/v1/http/runs/${fakeRun.id}/artifacts/build/endless`;
const streamPath = '/api/v1/http/test-stream';
const head = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;

describe('pipelined requests', () => {
  let folder: string;
  let serving: TestServer;
  let streams: ServerResponse[];
  /** Number of opened artifacts. A file may be opened and closed between two checks; this number only grows. */
  let opened: number;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'pipelined-')));
    await mkdir(join(folder, 'build'));
    await writeFile(join(folder, 'build', 'large'), Buffer.alloc(artifactBytes, 'x'));
    await createEndlessFile(join(folder, 'build', 'endless'));
    streams = [];
    opened = 0;
    const stream: JsonRoute = {
      path: streamPath,
      summary: '',
      handle: () => ({ type: 'text/plain', stream: (response) => void streams.push(response) }),
    };
    const deps = fakeDeps();
    const artifact = async (_id: string, path: string): Promise<ArtifactFile | undefined> => {
      const file = await openArtifact(folder, path);
      opened += 1;
      return file;
    };
    const runs = { ...deps.runs, artifact };
    serving = await serve({ ...deps, runs }, [...routes, stream]);
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await waitUntil('no file of the test is open', () => countOpenArtifacts() === 0);
    await serving.close();
    await rm(folder, { recursive: true });
  });

  function countOpenArtifacts(): number {
    return readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
      } catch {
        return false;
      }
    }).length;
  }

  /** Opens a connection, sends `text`, and collects what arrives. A test can pause the socket. */
  function open(text: string): { readonly socket: Socket; received(): string } {
    const socket = connect(serving.port, '127.0.0.1');
    sockets.push(socket);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => {});
    socket.write(text);
    return { socket, received: () => Buffer.concat(chunks).toString('latin1') };
  }

  it('S15: a client that sends 3000 requests for an artifact and reads nothing causes one open file', async () => {
    const { socket } = open(head(endlessPath).repeat(3000));
    socket.pause();
    await waitUntil('the first response has begun', () => opened === 1);
    for (let n = 0; n < 20; n += 1) {
      expect((await serving.request('/api/v1/http/calls')).status).to.equal(200);
      expect(countOpenArtifacts()).to.equal(1);
    }
    expect(opened).to.equal(1);
    socket.destroy();
    await waitUntil('the file is closed', () => countOpenArtifacts() === 0);
  });

  it('S15: a client that reads slowly receives every response, whole and in order', async () => {
    const paths = ['/healthz', artifactPath, '/api/v1/http/nowhere', '/api/v1/http/auth', artifactPath, '/healthz'];
    const { socket, received } = open(paths.map((path) => head(path)).join('') + head('/', 'Connection: close\r\n'));
    socket.pause();
    await waitUntil('the first file was opened', () => opened > 0);
    socket.on('data', () => {
      socket.pause();
      setImmediate(() => socket.resume());
    });
    socket.resume();
    await waitUntil('the connection is closed', () => socket.destroyed);
    const statuses = [...received().matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
    expect(statuses).to.deep.equal(['200', '200', '404', '200', '200', '200', '200']);
    const bodies = received()
      .split(/HTTP\/1\.1 \d{3} [^\n]*\n/)
      .slice(1)
      .map((response) => response.slice(response.indexOf('\r\n\r\n') + 4));
    expect(bodies.map((body) => body.length).filter((bytes) => bytes === artifactBytes)).to.have.length(2);
    expect(bodies.map((body) => body.slice(0, 8))).to.deep.equal([
      '{"health',
      'xxxxxxxx',
      '{"status',
      '{"user":',
      'xxxxxxxx',
      '{"health',
      'Distille',
    ]);
  });

  it('S15: thousands of short requests at once are all answered', async () => {
    const { socket, received } = open(head('/healthz').repeat(4999) + head('/healthz', 'Connection: close\r\n'));
    await waitUntil('the connection is closed', () => socket.destroyed);
    expect(received().match(/"healthy":true/g)).to.have.length(5000);
  });

  it('S15: a streamed response begins when the one before it has ended', async () => {
    const { received } = open(head(streamPath).repeat(3));
    for (let n = 1; n <= 3; n += 1) {
      await waitUntil('a stream begins', () => streams.length === n);
      expect((await serving.request('/healthz')).status).to.equal(200);
      expect(streams).to.have.length(n);
      streams.at(-1)!.end(`stream ${n};`);
    }
    await waitUntil('all streams have arrived', () => /stream 1;[\s\S]*stream 2;[\s\S]*stream 3;/.test(received()));
  });

  it('S15: requests that wait are dropped when the connection ends', async () => {
    const { socket } = open(head(streamPath) + head(artifactPath).repeat(10));
    await waitUntil('the stream begins', () => streams.length === 1);
    socket.destroy();
    streams[0]!.write('x'.repeat(1 << 20));
    streams[0]!.write('x'.repeat(1 << 20));
    await waitUntil('the response is closed', () => streams[0]!.destroyed);
    expect((await serving.request('/healthz')).status).to.equal(200);
    expect(countOpenArtifacts()).to.equal(0);
  });

  it('S15: an unreadable request is answered after the responses before it', async () => {
    const { socket, received } = open(`${head(streamPath)}${head('/healthz')}no request\r\n\r\n`);
    await waitUntil('the stream begins', () => streams.length === 1);
    streams[0]!.write('first half, ');
    expect((await serving.request('/healthz')).status).to.equal(200);
    streams[0]!.end('second half');
    await waitUntil('the connection is closed', () => socket.destroyed);
    expect(received()).to.match(/ 200 [\s\S]*first half, [\s\S]*second half[\s\S]* 200 [\s\S]*healthy[\s\S]* 400 /);
  });

  it('S15: a request with a broken body is answered once, after the responses before it', async () => {
    const broken = head('/healthz', 'Transfer-Encoding: chunked\r\n');
    const { socket, received } = open(`${head(streamPath)}${head('/healthz')}${broken}no chunk\r\n`);
    await waitUntil('the stream begins', () => streams.length === 1);
    expect((await serving.request('/healthz')).status).to.equal(200);
    streams[0]!.end('the stream');
    await waitUntil('the connection is closed', () => socket.destroyed);
    const statuses = [...received().matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
    expect(statuses).to.deep.equal(['200', '200', '400']);
  });

  it('S15: a response that has begun is cut off when the body of its request breaks', async () => {
    const { socket, received } = open(head(streamPath, 'Transfer-Encoding: chunked\r\n'));
    await waitUntil('the stream begins', () => streams.length === 1);
    streams[0]!.write('first half');
    await waitUntil('the response has begun', () => received().includes('first half'));
    socket.write('no chunk\r\n');
    await waitUntil('the connection is closed', () => socket.destroyed);
    expect(received()).to.match(/^HTTP\/1\.1 200 [\s\S]*first half\r\n$/);
    await waitUntil('the response is closed', () => streams[0]!.destroyed);
  });

  it('S15: a file that was opened for a client that has disconnected is closed', async () => {
    for (let n = 0; n < 50; n += 1) {
      const { socket } = open(head(artifactPath));
      if (n % 2 === 0) await new Promise((resolve) => socket.once('connect', resolve));
      socket.destroy();
    }
    expect((await serving.request('/healthz')).status).to.equal(200);
    await waitUntil('all files are closed', () => countOpenArtifacts() === 0);
  });
});
