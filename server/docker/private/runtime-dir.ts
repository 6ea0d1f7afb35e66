// Chooses the folder for a private engine's sockets. The path of a unix socket has at most 107 bytes, and the path of
// the data folder may be longer.

import { createHash } from 'node:crypto';
import { lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Maximum length of the folder's path, because the engine's sockets lie up to 40 bytes below it. */
const folderBytesMax = 64;

/** Returns `folder` itself if it is short enough, otherwise a short folder that only this engine uses. */
export async function ensureRuntimeFolder(folder: string): Promise<string> {
  if (Buffer.byteLength(folder) <= folderBytesMax) return folder;
  const short = join(tmpdir(), `dk-${shortHash(folder)}`);
  await mkdir(short, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const stats = await lstat(short);
  // Check the owner: any user can create folders in the temporary folder, and the owner of this one could replace the
  // engine's socket.
  if (!stats.isDirectory() || stats.uid !== process.getuid?.())
    throw new Error(`${short} belongs to another user; remove it`);
  if ((stats.mode & 0o077) !== 0) throw new Error(`${short} is open to other users; remove it`);
  return short;
}

export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
