// Runs an image registry as a separate process, which can run in another network. Ends when its parent disconnects.
//
// Source: OCI distribution spec (GET manifests and blobs), Docker image manifest version 2, schema 2.

import { createHash, randomBytes } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { type LayerBehavior, type RegistryMessage, readBusybox } from './image-registry.ts';

interface Blob {
  readonly type: string;
  readonly bytes: Buffer;
  readonly digest: string;
}

interface Image {
  readonly config: Blob;
  readonly layer: Blob;
  readonly manifest: Blob;
}

const mediaType = 'application/vnd.docker.distribution.manifest.v2+json';
const images = new Map<string, Image>();

const login = process.env['REGISTRY_LOGIN'] ?? '';

const server = createServer((request, response) => {
  if (!isAuthorized(request.headers.authorization)) return rejectUnauthorized(response, request.headers.authorization);
  handleRequest(request.url ?? '/', request.method ?? 'GET', response).catch(() => response.destroy());
});
server.listen(0, '127.0.0.1', () => notifyParent({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit(0));

function isAuthorized(authorization = ''): boolean {
  return login === '' || authorization === `Basic ${Buffer.from(login).toString('base64')}`;
}

/** Rejects a request. Repeats the credentials in the error, as a badly written registry might. */
function rejectUnauthorized(response: ServerResponse, authorization = ''): void {
  const credentials = Buffer.from(authorization.replace('Basic ', ''), 'base64').toString();
  response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="registry"', 'Content-Type': 'application/json' });
  response.end(
    JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: `authentication required, not ${credentials}` }] }),
  );
}

function notifyParent(word: RegistryMessage): void {
  process.send?.(word);
}

async function handleRequest(url: string, method: string, response: ServerResponse): Promise<void> {
  const [, name = '', kind, reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url) ?? [];
  if (url === '/v2/') return void response.end('{}');
  const image = images.get(name) ?? (await createImage(name));
  if (kind === 'manifests') return send(response, image.manifest, method);
  const wanted = [image.config, image.layer].find(({ digest }) => digest === reference);
  if (wanted === undefined) return void response.writeHead(404).end();
  if (wanted === image.config) return send(response, wanted, method);
  notifyParent({ layer: name });
  await sendLayer(response, wanted.bytes, name.split('/')[0] as LayerBehavior);
}

function send(response: ServerResponse, blob: Blob, method: string): void {
  response.writeHead(200, {
    'Content-Type': blob.type,
    'Content-Length': blob.bytes.length,
    'Docker-Content-Digest': blob.digest,
  });
  response.end(method === 'HEAD' ? undefined : blob.bytes);
}

async function sendLayer(response: ServerResponse, bytes: Buffer, behavior: LayerBehavior): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': bytes.length });
  const half = bytes.length >> 1;
  switch (behavior) {
    case 'whole':
      return void response.end(bytes);
    case 'broken':
      response.write(bytes.subarray(0, half));
      return void response.end(Buffer.alloc(bytes.length - half));
    case 'stalled':
      response.write(bytes.subarray(0, half), () => notifyParent({ stalled: true }));
      return sendSlowly(response, bytes.subarray(half));
    case 'slow':
      for (let at = 0; at < bytes.length; at += 16 << 10) {
        if (!response.write(bytes.subarray(at, at + (16 << 10)))) await turn();
      }
      return void response.end();
  }
}

/** Sends single bytes slowly, so that an engine that has cancelled the pull notices and closes the connection. */
async function sendSlowly(response: ServerResponse, bytes: Buffer): Promise<void> {
  for (let at = 0; !response.destroyed; at += 1) {
    response.write(bytes.subarray(at, at + 1));
    await pause(10);
  }
  notifyParent({ dropped: true });
}

async function createImage(name: string): Promise<Image> {
  const tar = pack();
  for (const folder of ['bin', 'tmp']) tar.entry({ name: folder, type: 'directory' });
  tar.entry({ name: 'bin/busybox', mode: 0o755 }, await readBusybox());
  tar.entry({ name: 'bin/sh', type: 'symlink', linkname: 'busybox' });
  // Random bytes make every image different and large enough for a slow pull.
  tar.entry({ name: 'padding' }, randomBytes(3 << 20));
  tar.finalize();
  const root = await buffer(tar as AsyncIterable<Buffer>);
  const layer = createBlob('application/vnd.docker.image.rootfs.diff.tar.gzip', gzipSync(root, { level: 1 }));
  const config = createBlob(
    'application/vnd.docker.container.image.v1+json',
    JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { Cmd: ['sh'] },
      rootfs: { type: 'layers', diff_ids: [createBlob('', root).digest] },
      history: [{ created: '2020-01-01T00:00:00Z' }],
    }),
  );
  const entry = ({ type, bytes, digest }: Blob): object => ({ mediaType: type, size: bytes.length, digest });
  const manifest = createBlob(
    mediaType,
    JSON.stringify({ schemaVersion: 2, mediaType, config: entry(config), layers: [entry(layer)] }),
  );
  const image = { config, layer, manifest };
  images.set(name, image);
  return image;
}

function createBlob(type: string, content: string | Buffer): Blob {
  const bytes = Buffer.from(content);
  return { type, bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}
