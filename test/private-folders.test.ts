// Tests which folders a private gateway removes when it starts.

import { once } from 'node:events';
import { link, mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { removeAbandonedFolders } from '../server/private-folders.ts';
import { inFolder } from './helpers/config/config-folder.ts';

async function listen(path: string): Promise<Server> {
  const server = createServer().listen(path);
  await once(server, 'listening');
  return server;
}

/** Leaves a socket as a killed process does. */
async function abandonSocket(path: string): Promise<void> {
  const server = await listen(`${path}.live`);
  // Closing removes only the name that was bound.
  await link(`${path}.live`, path);
  await new Promise((resolve) => server.close(resolve));
}

describe('the folders of killed private gateways', () => {
  it('removeAbandonedFolders removes only old folders without a listener, and nothing that has other content', () =>
    inFolder(async ({ path }) => {
      const inside = (name: string): string => join(path, name, 'gateway');
      for (const name of ['killed', 'empty', 'live', 'young', 'file', 'more'])
        await mkdir(join(path, `distillery-run-${name}`));
      await mkdir(join(path, 'other'));
      for (const name of ['distillery-run-killed', 'distillery-run-young', 'distillery-run-more', 'other'])
        await abandonSocket(inside(name));
      await writeFile(inside('distillery-run-file'), '');
      await writeFile(join(path, 'distillery-run-more', 'kept'), '');
      await symlink('other', join(path, 'distillery-run-link'));
      const server = await listen(inside('distillery-run-live'));
      try {
        const old = new Date(Date.now() - 3_600_000);
        for (const name of await readdir(path)) if (!name.includes('young')) await utimes(join(path, name), old, old);
        await removeAbandonedFolders(join(path, 'distillery-run-young'));
        const left = ['file', 'link', 'live', 'more', 'young'].map((name) => `distillery-run-${name}`);
        expect((await readdir(path)).sort()).to.deep.equal([...left, 'other']);
        expect(await readdir(join(path, 'other'))).to.deep.equal(['gateway']);
        expect(await readdir(join(path, 'distillery-run-live'))).to.deep.equal(['gateway']);
      } finally {
        server.close();
      }
    }));

  it('removeAbandonedFolders ignores a folder that does not exist', () =>
    inFolder(({ path }) => removeAbandonedFolders(join(path, 'missing'))));
});
