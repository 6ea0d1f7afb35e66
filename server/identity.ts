// The identity of a data folder: distinguishes the containers and processes of one gateway from those of others.
//
// A copy of a data folder has the same identity. If the gateways of both folders ran on one machine, each would end the
// containers and processes of the other. A socket in the abstract namespace of Linux shows that an identity is in use.
// The socket ends with its process.

import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { openDataFolder } from './data-folder.ts';
import { endCopiedRuns } from './runs/restart/end-copied-runs.ts';
import { systemCode } from './support/system-error.ts';

export interface Identity {
  readonly id: string;
  /** Lets another gateway use the identity. Idempotent. */
  release(): void;
}

/**
 * Claims the identity of the data folder and returns it. Creates the identity if the folder has none. Rejects if it is
 * in use.
 */
export async function claimIdentity(folder: string): Promise<Identity> {
  const id = readIdentity(folder);
  const server = createServer((socket) => socket.destroy());
  await listen(server, `\0distillery-gateway-${id}`);
  server.unref();
  return { id, release: () => void server.close() };
}

/** Rejects if the identity of the data folder is in use. */
export async function assertIdentityFree(folder: string): Promise<void> {
  if (existsSync(join(folder, 'id'))) (await claimIdentity(folder)).release();
}

/**
 * Creates an identity for a copy of a data folder. The active runs and the private engine stay with the original
 * folder. Throws if a gateway uses the folder.
 */
export function renewIdentity(folder: string): void {
  const store = openDataFolder(folder);
  try {
    endCopiedRuns(store);
  } finally {
    store.close();
  }
  writeFileSync(join(folder, 'id.new'), `${randomUUID()}\n`, { mode: 0o640 });
  renameSync(join(folder, 'id.new'), join(folder, 'id'));
  rmSync(join(folder, 'engine', 'engine.json'), { force: true });
}

function readIdentity(folder: string): string {
  const file = join(folder, 'id');
  try {
    writeFileSync(file, `${randomUUID()}\n`, { flag: 'wx', mode: 0o640 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(file, 'utf8').trim();
}

function listen(server: Server, path: string): Promise<void> {
  if (process.platform !== 'linux') return Promise.resolve();
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      if (systemCode(error) === 'EADDRINUSE')
        return reject(
          new Error(
            'the data folder is a copy: its identity is in use by another gateway on this machine. Stop that one, or ' +
              'give the copy an identity of its own with --new-identity',
          ),
        );
      reject(error);
    });
    server.listen({ path }, resolve);
  });
}
