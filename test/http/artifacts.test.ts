// Artifacts as clients download them.

import { expect } from 'chai';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultLimits } from '../../protocol/limits.ts';
import { listArtifacts, openArtifact } from '../../server/runs/artifacts.ts';
import { openFiles } from '../runs/kit.ts';
import { until } from '../helpers/until.ts';
import { fakeConfig, fakeParts, fakeRun, serve, type Asking, type Served, type Serving } from './serve.ts';

const base = `/api/v1/http/runs/${fakeRun.id}/artifacts`;
const large = 8 << 20;

describe('http: artifacts', () => {
  let folder: string;
  let serving: Serving;
  let before: number;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'artifacts-'));
    await mkdir(join(folder, 'kept', 'build', 'b c'), { recursive: true });
    await writeFile(join(folder, 'secret'), 'secret');
    await writeFile(join(folder, 'kept', 'build', 'digits'), '0123456789');
    await writeFile(join(folder, 'kept', 'build', 'empty'), '');
    await writeFile(join(folder, 'kept', 'build', 'b c', 'ä"\n%2e.html'), '<script>alert(1)</script>');
    await writeFile(join(folder, 'kept', 'build', 'large'), Buffer.alloc(large, 7));
    await symlink('../../secret', join(folder, 'kept', 'build', 'out'));
    const parts = fakeParts({ config: () => fakeConfig({ origins: ['https://app.example.org'] }, { limits: { ...defaultLimits, writeStallMs: 200, pageArtifactsMax: 4 } }) });
    const kept = join(folder, 'kept');
    serving = await serve({
      ...parts, runs: { ...parts.runs, artifacts: (_id, max) => listArtifacts(kept, max), artifact: (_id, path) => openArtifact(kept, path) },
    });
    before = openFiles();
  });
  afterEach(async () => {
    await until('no file is left open', () => openFiles() <= before);
    await serving.close();
    await rm(folder, { recursive: true });
  });

  const ask = (path: string, asking?: Asking): Promise<Served> => serving.ask(`${base}/${path}`, asking);
  const range = (text: string, more: Readonly<Record<string, string>> = {}): Promise<Served> => ask('build/digits', { headers: { Range: text, ...more } });

  it('are listed, as many as one answer may have', async () => {
    const { artifacts, truncated } = (await serving.ask(base)).json() as { artifacts: { path: string }[]; truncated?: true };
    expect([artifacts.map(({ path }) => path), truncated]).to.deep.equal([['build/b c/ä"\n%2e.html', 'build/digits', 'build/empty', 'build/large'], true]);
  });

  it('are sent as something to be saved, and never as a page', async () => {
    const served = await ask('build/b%20c/%C3%A4%22%0A%252e.html');
    expect(served).to.include({ status: 200, body: '<script>alert(1)</script>' });
    expect(served.headers).to.include({
      'content-type': 'application/octet-stream', 'x-content-type-options': 'nosniff', 'content-length': '25', 'accept-ranges': 'bytes', 'cache-control': 'no-cache',
    });
    const disposition = served.headers['content-disposition'] ?? '';
    expect(disposition).to.match(/^attachment; filename="[^\n]*"; filename\*=UTF-8''%C3%A4%22%0A%252e\.html$/);
    expect(served.headers['last-modified']).to.be.a('string');
  });

  it('are sent whole, however large, and empty', async () => {
    const served = await ask('build/large');
    expect([served.status, served.body.length, served.headers['content-length']]).to.deep.equal([200, large, String(large)]);
    expect(await ask('build/empty')).to.include({ status: 200, body: '' });
    expect((await ask('build/empty')).headers).to.include({ 'content-length': '0', 'content-type': 'application/octet-stream' });
  });

  for (const [asked, status, body, told] of [
    ['bytes=0-3', 206, '0123', 'bytes 0-3/10'], ['bytes=8-', 206, '89', 'bytes 8-9/10'], ['bytes=-3', 206, '789', 'bytes 7-9/10'], ['bytes=5-100', 206, '56789', 'bytes 5-9/10'],
    ['bytes=0-0', 206, '0', 'bytes 0-0/10'], ['bytes=-100', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=3-1', 200, '0123456789', undefined], ['bytes=0-1,3-4', 200, '0123456789', undefined], ['lines=0-1', 200, '0123456789', undefined], ['bytes=-', 200, '0123456789', undefined],
  ] as const) {
    it(`answers ${asked} with ${status} and ${told ?? 'all of it'}`, async () => {
      const served = await range(asked);
      expect(served).to.include({ status, body });
      expect(served.headers['content-range']).to.equal(told);
      expect(served.headers['content-length']).to.equal(String(body.length));
    });
  }

  for (const asked of ['bytes=10-', 'bytes=-0', 'bytes=11-12']) {
    it(`refuses ${asked}, and says how much there is`, async () => {
      const served = await range(asked);
      expect(served.json()).to.deep.include({ status: 416, code: 'range_not_satisfiable' });
      expect(served.headers['content-range']).to.equal('bytes */10');
      expect((await ask('build/empty', { headers: { Range: 'bytes=0-' } })).status).to.equal(416);
    });
  }

  it('are given in part only while they are the same', async () => {
    const { etag = '' } = (await ask('build/digits')).headers;
    expect(await range('bytes=0-1', { 'If-Range': etag })).to.include({ status: 206, body: '01' });
    expect(await range('bytes=0-1', { 'If-Range': '"other"' })).to.include({ status: 200, body: '0123456789' });
    expect(await ask('build/digits', { headers: { 'If-None-Match': etag } })).to.include({ status: 304, body: '' });
    expect((await ask('build/digits', { method: 'HEAD', headers: { Range: 'bytes=0-1' } })).headers).to.include({ 'content-length': '10', etag });
    await rm(join(folder, 'kept', 'build', 'digits'));
    await writeFile(join(folder, 'kept', 'build', 'digits'), '9876543210');
    expect(await ask('build/digits', { headers: { 'If-None-Match': etag } })).to.include({ status: 200, body: '9876543210' });
  });

  it('are not found beside their folder, by whatever path', async () => {
    const paths = [
      '..', '../secret', '..%2fsecret', '%2e%2e/secret', '%2e%2e%2fsecret', 'build/../../secret', 'build/..%2f..%2fsecret', 'build/out', 'build', 'build/', '/etc/passwd', '%2fetc%2fpasswd',
      'build/digits/x', 'build%00', 'build/digits%00', '.', './build/digits', 'build//digits', 'x'.repeat(4000),
    ];
    for (const path of paths) {
      const served = await ask(path);
      expect(served.status, path).to.equal(404);
      expect(served.body, path).not.to.contain('secret"}').and.not.contain(folder);
    }
    expect((await ask('build/%ff')).status).to.equal(400);
    expect((await serving.ask(base.replace(fakeRun.id, 'nobody'))).status).to.equal(404);
    expect((await serving.ask(`${base.replace(fakeRun.id, 'nobody')}/x`)).status).to.equal(404);
  });

  it('may be read by pages of the origins that are listed', async () => {
    const { headers } = await ask('build/digits', { headers: { Origin: 'https://app.example.org' } });
    expect(headers['access-control-expose-headers']).to.contain('Content-Disposition').and.contain('ETag');
  });

  it('are let go of when their reader goes, or takes nothing for too long', async () => {
    for (const leaves of [true, false]) {
      const socket = connect(serving.port, '127.0.0.1');
      socket.on('error', () => {});
      const closed = new Promise((resolve) => socket.on('close', resolve));
      socket.write(`GET ${base}/build/large HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      await new Promise((resolve) => socket.once('readable', resolve));
      socket.pause();
      await until('the file is open, and both ends of the connection', () => openFiles() >= before + 3);
      if (leaves) socket.destroy();
      await until('the file is closed', () => openFiles() <= before + (leaves ? 0 : 1));
      socket.destroy();
      await closed;
    }
  }).timeout(20_000);
});
