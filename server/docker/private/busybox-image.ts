// Builds an image without a registry: the machine's static busybox with a link for each of its programs.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { pack } from 'tar-stream';
import { type Connection, connect } from '../connect.ts';
import { httpStatus } from '../engine-error.ts';

export interface BusyboxOptions {
  /** Path of the machine's busybox, which must be linked statically. */
  readonly busybox: string;
  /** `name:tag` of each image. */
  readonly names: readonly string[];
}

/** Imports each image of `options.names` that the engine at `host` does not have. */
export async function importBusybox(host: string, options: BusyboxOptions): Promise<void> {
  const engine = await connect(host);
  if ('why' in engine) throw new Error(engine.why);
  try {
    for (const name of options.names) {
      if (!(await has(engine, name))) await importWithRetry(engine, name, options.busybox);
    }
  } finally {
    engine.close();
  }
}

async function has(engine: Connection, name: string): Promise<boolean> {
  try {
    await engine.docker.getImage(name).inspect();
    return true;
  } catch (error) {
    if (httpStatus(error) === 404) return false;
    throw error;
  }
}

const importsMax = 3;

/**
 * Imports an image, in at most `importsMax` attempts. An engine that has just started, on a busy machine, sometimes
 * closes the connection before it has read the image.
 */
async function importWithRetry(engine: Connection, name: string, busybox: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await importAs(engine, name, busybox);
      return;
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (attempt === importsMax || !['EPIPE', 'ECONNRESET'].includes(code)) throw error;
    }
  }
}

async function importAs(engine: Connection, name: string, busybox: string): Promise<void> {
  const [repo = name, tag = 'latest'] = name.split(':');
  const query = new URLSearchParams({ fromSrc: '-', repo, tag, changes: 'CMD ["sh"]' });
  const response = await engine.dial({
    path: `/images/create?${query}&`,
    method: 'POST',
    isStream: true,
    file: await rootFolder(busybox),
    headers: { 'Content-Type': 'application/tar' },
    statusCodes: { 200: true, 500: 'server error' },
  });
  // The image exists when the response has been read to its end.
  const responseText = await text(response as Readable);
  if (responseText.includes('"error"'))
    throw new Error(`the engine rejected the image "${name}": ${responseText.trim()}`);
}

async function rootFolder(busybox: string): Promise<Buffer> {
  const { stdout } = await promisify(execFile)(busybox, ['--list']);
  const tar = pack();
  const mtime = new Date(0);
  for (const name of ['bin', 'etc', 'home', 'root', 'tmp']) {
    tar.entry({ name, type: 'directory', mode: name === 'tmp' ? 0o1777 : 0o755, mtime });
  }
  tar.entry({ name: 'bin/busybox', mode: 0o755, mtime }, await readFile(busybox));
  for (const program of stdout.split('\n').filter((one) => one !== '' && one !== 'busybox')) {
    tar.entry({ name: `bin/${program}`, type: 'symlink', linkname: 'busybox', mtime });
  }
  tar.entry(
    { name: 'etc/passwd', mtime },
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n',
  );
  tar.entry({ name: 'etc/group', mtime }, 'root:x:0:\nnogroup:x:65534:\n');
  tar.finalize();
  return buffer(tar as AsyncIterable<Buffer>);
}
