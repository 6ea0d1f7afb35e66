// Tests the list and the download of artifacts.

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { defaultLimits } from '../../protocol/limits.ts';
import { listArtifacts, openArtifact } from '../../server/runs/views/artifacts.ts';
import { createEndlessFile } from '../helpers/http/endless-file.ts';
import {
  fakeConfig,
  fakeDeps,
  fakeRun,
  type HttpResult,
  type RequestOptions,
  serve,
  type TestServer,
} from '../helpers/http/test-server.ts';
import { countOpenFiles } from '../helpers/runs/test-log.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const base = `/api/v1/http/runs/${fakeRun.id}/artifacts`;
const large = 8 << 20;

describe('artifacts over HTTP', () => {
  let folder: string;
  let serving: TestServer;
  let before: number;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'artifacts-'));
    await mkdir(join(folder, 'artifacts', 'build', 'b c'), { recursive: true });
    await writeFile(join(folder, 'secret'), 'secret');
    await writeFile(join(folder, 'artifacts', 'build', 'digits'), '0123456789');
    await writeFile(join(folder, 'artifacts', 'build', 'empty'), '');
    await writeFile(join(folder, 'artifacts', 'build', 'b c', 'ä"\n%2e.html'), '<script>alert(1)</script>');
    await writeFile(join(folder, 'artifacts', 'build', 'large'), Buffer.alloc(large, 7));
    await symlink('../../secret', join(folder, 'artifacts', 'build', 'out'));
    const deps = fakeDeps({
      config: () =>
        fakeConfig(
          { origins: ['https://app.example.org'] },
          { limits: { ...defaultLimits, writeStallMs: 200, pageArtifactsMax: 4 } },
        ),
    });
    const artifacts = join(folder, 'artifacts');
    serving = await serve({
      ...deps,
      runs: {
        ...deps.runs,
        artifacts: (_id, max) => listArtifacts(artifacts, max),
        artifact: (_id, path) => openArtifact(artifacts, path),
      },
    });
    before = countOpenFiles();
  });
  afterEach(async () => {
    await waitUntil('no file is left open', () => countOpenFiles() <= before);
    await serving.close();
    await rm(folder, { recursive: true });
  });

  const request = (path: string, options?: RequestOptions): Promise<HttpResult> =>
    serving.request(`${base}/${path}`, options);
  const requestRange = (text: string, more: Readonly<Record<string, string>> = {}): Promise<HttpResult> =>
    request('build/digits', { headers: { Range: text, ...more } });

  it('the list of artifacts never exceeds its limit', async () => {
    const { artifacts, truncated } = (await serving.request(base)).json() as {
      artifacts: { path: string }[];
      truncated?: true;
    };
    expect([artifacts.map(({ path }) => path), truncated]).to.deep.equal([
      ['build/b c/ä"\n%2e.html', 'build/digits', 'build/empty', 'build/large'],
      true,
    ]);
  });

  it('an artifact is sent as a download, never as a page', async () => {
    const response = await request('build/b%20c/%C3%A4%22%0A%252e.html');
    expect(response).to.include({ status: 200, body: '<script>alert(1)</script>' });
    expect(response.headers).to.include({
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'content-length': '25',
      'accept-ranges': 'bytes',
      'cache-control': 'no-cache',
    });
    const disposition = response.headers['content-disposition'] ?? '';
    expect(disposition).to.match(/^attachment; filename="[^\n]*"; filename\*=UTF-8''%C3%A4%22%0A%252e\.html$/);
    expect(response.headers['last-modified']).to.be.a('string');
  });

  it('an artifact is sent completely, whether it is large or empty', async () => {
    const response = await request('build/large');
    expect([response.status, response.body.length, response.headers['content-length']]).to.deep.equal([
      200,
      large,
      String(large),
    ]);
    expect(await request('build/empty')).to.include({ status: 200, body: '' });
    expect((await request('build/empty')).headers).to.include({
      'content-length': '0',
      'content-type': 'application/octet-stream',
    });
  });

  for (const [range, status, body, contentRange] of [
    ['bytes=0-3', 206, '0123', 'bytes 0-3/10'],
    ['bytes=8-', 206, '89', 'bytes 8-9/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=5-100', 206, '56789', 'bytes 5-9/10'],
    ['bytes=0-0', 206, '0', 'bytes 0-0/10'],
    ['bytes=-100', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=3-1', 200, '0123456789', undefined],
    ['bytes=0-1,3-4', 200, '0123456789', undefined],
    ['lines=0-1', 200, '0123456789', undefined],
    ['bytes=-', 200, '0123456789', undefined],
  ] as const) {
    it(`a request for ${range} gets ${status} and ${contentRange ?? 'the whole artifact'}`, async () => {
      const response = await requestRange(range);
      expect(response).to.include({ status, body });
      expect(response.headers['content-range']).to.equal(contentRange);
      expect(response.headers['content-length']).to.equal(String(body.length));
    });
  }

  for (const range of ['bytes=10-', 'bytes=-0', 'bytes=11-12']) {
    it(`a request for ${range} is rejected with the size of the artifact`, async () => {
      const response = await requestRange(range);
      expect(response.json()).to.deep.include({ status: 416, code: 'range_not_satisfiable' });
      expect(response.headers['content-range']).to.equal('bytes */10');
      expect((await request('build/empty', { headers: { Range: 'bytes=0-' } })).status).to.equal(416);
    });
  }

  it('the gateway compares If-Range and If-None-Match with the version of the artifact', async () => {
    const { etag = '' } = (await request('build/digits')).headers;
    expect(await requestRange('bytes=0-1', { 'If-Range': etag })).to.include({ status: 206, body: '01' });
    expect(await requestRange('bytes=0-1', { 'If-Range': '"other"' })).to.include({ status: 200, body: '0123456789' });
    expect(await request('build/digits', { headers: { 'If-None-Match': etag } })).to.include({ status: 304, body: '' });
    expect((await request('build/digits', { method: 'HEAD', headers: { Range: 'bytes=0-1' } })).headers).to.include({
      'content-length': '10',
      etag,
    });
    await rm(join(folder, 'artifacts', 'build', 'digits'));
    await writeFile(join(folder, 'artifacts', 'build', 'digits'), '9876543210');
    expect(await request('build/digits', { headers: { 'If-None-Match': etag } })).to.include({
      status: 200,
      body: '9876543210',
    });
  });

  it('no request path can read a file outside the artifacts', async () => {
    const paths = [
      '..',
      '../secret',
      '..%2fsecret',
      '%2e%2e/secret',
      '%2e%2e%2fsecret',
      'build/../../secret',
      'build/..%2f..%2fsecret',
      'build/out',
      'build',
      'build/',
      '/etc/passwd',
      '%2fetc%2fpasswd',
      'build/digits/x',
      'build%00',
      'build/digits%00',
      '.',
      './build/digits',
      'build//digits',
      'x'.repeat(4000),
    ];
    for (const path of paths) {
      const response = await request(path);
      expect(response.status, path).to.equal(404);
      expect(response.body, path).not.to.contain('secret"}').and.not.contain(folder);
    }
    expect((await request('build/%ff')).status).to.equal(400);
    expect((await serving.request(base.replace(fakeRun.id, 'missing'))).status).to.equal(404);
    expect((await serving.request(`${base.replace(fakeRun.id, 'missing')}/x`)).status).to.equal(404);
  });

  it('pages of the listed origins can read artifacts', async () => {
    const { headers } = await request('build/digits', { headers: { Origin: 'https://app.example.org' } });
    expect(headers['access-control-expose-headers']).to.contain('Content-Disposition').and.contain('ETag');
  });

  it('the gateway closes the artifact file if its client disconnects or accepts no data for too long', async () => {
    await createEndlessFile(join(folder, 'artifacts', 'build', 'endless'));
    for (const leaves of [true, false]) {
      const socket = connect(serving.port, '127.0.0.1');
      socket.on('error', () => {});
      const closed = new Promise((resolve) => socket.on('close', resolve));
      socket.write(`GET ${base}/build/endless HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      await new Promise((resolve) => socket.once('readable', resolve));
      socket.pause();
      await waitUntil('the file is open, and both ends of the connection', () => countOpenFiles() >= before + 3);
      if (leaves) socket.destroy();
      await waitUntil('the file is closed', () => countOpenFiles() <= before + (leaves ? 0 : 1));
      socket.destroy();
      await closed;
    }
  }).timeout(60_000);
});
