// Removes the socket folders of private gateways that were killed. SIGKILL leaves a process no time to remove its own.

import { lstat, readdir, rmdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';

/** A private gateway has a folder with this prefix, which contains nothing but its socket. */
export const folderPrefix = 'distillery-run-';
export const socketName = 'gateway';

/** A younger folder may belong to a gateway that does not listen yet. */
const minAgeMs = 10 * 60_000;

/**
 * Removes the folders beside `newFolder` that belong to this user and contain at most a socket without a listener. The
 * time of `newFolder` is the present time of the file system. Ignores errors: another process may remove the same
 * folder. Never throws.
 */
export async function removeAbandonedFolders(newFolder: string): Promise<void> {
  try {
    const parent = dirname(newFolder);
    const { mtimeMs } = await lstat(newFolder);
    const names = (await readdir(parent)).filter((name) => name.startsWith(folderPrefix));
    await Promise.allSettled(names.map((name) => removeIfAbandoned(join(parent, name), mtimeMs - minAgeMs)));
  } catch {
    // The next private gateway tries again.
  }
}

async function removeIfAbandoned(folder: string, changedBeforeMs: number): Promise<void> {
  // lstat: a link of this name is not a folder of a gateway.
  const stats = await lstat(folder);
  const isOwn = stats.isDirectory() && stats.uid === process.geteuid?.();
  if (!isOwn || stats.mtimeMs > changedBeforeMs) return;
  const names = await readdir(folder);
  if (names.some((name) => name !== socketName)) return;
  if (names.length > 0) {
    const socket = join(folder, socketName);
    if (!(await lstat(socket)).isSocket() || !(await isAbandoned(socket))) return;
    await unlink(socket);
  }
  // Not recursive: fails if a file has appeared in the meantime.
  await rmdir(folder);
}

/** True only if the kernel says that there is no listener. A busy gateway causes other errors. */
function isAbandoned(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve(false);
    });
    connection.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code === 'ECONNREFUSED' || code === 'ENOENT'),
    );
  });
}
