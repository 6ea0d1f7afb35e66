// Tests the import of the image: an engine may close the connection before it has read the image.

import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { importBusybox } from '../../../server/docker/private/busybox-image.ts';

describe('the image of the private engine', () => {
  let folder: string;
  let busybox: string;
  let engine: Server | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'image-'));
    busybox = join(folder, 'busybox');
    await writeFile(busybox, '#!/bin/sh\necho ls\n', { mode: 0o755 });
  });
  afterEach(async () => {
    engine?.close();
    await rm(folder, { recursive: true });
  });

  /** Starts an engine that closes the connection of the first `failures` imports. Returns the number of imports. */
  async function startEngine(failures: number): Promise<() => number> {
    let imports = 0;
    engine = createServer((request, response) => {
      if (request.method === 'GET') response.writeHead(request.url === '/_ping' ? 200 : 404).end('{}');
      else {
        imports += 1;
        if (imports <= failures) request.socket.destroy();
        else request.resume().on('end', () => response.end('{"status":"imported"}'));
      }
    });
    await once(engine.listen(join(folder, 'socket')), 'listening');
    return () => imports;
  }

  const importImage = (): Promise<void> =>
    importBusybox(`unix://${join(folder, 'socket')}`, { busybox, names: ['busybox:latest'] });

  it('an import whose connection breaks is repeated', async () => {
    const imports = await startEngine(2);
    await importImage();
    expect(imports()).to.equal(3);
  });

  it('an import whose connection breaks three times fails with the error of the connection', async () => {
    const imports = await startEngine(Number.POSITIVE_INFINITY);
    const error = await importImage().then(
      () => undefined,
      (reason: NodeJS.ErrnoException) => reason,
    );
    expect(error?.code).to.equal('ECONNRESET');
    expect(imports()).to.equal(3);
  });
});
