// Where a private engine keeps its sockets: the path of a unix socket has at most 107 bytes, and folders may be deeper than that.

import { createHash } from 'node:crypto';
import { lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The engine's own sockets lie up to 40 bytes below its folder. */
const folderBytesMax = 64;

/** `folder` itself when it is short enough; otherwise a short folder of ours that belongs to it alone. */
export async function runtimeFolder(folder: string): Promise<string> {
  if (Buffer.byteLength(folder) <= folderBytesMax) return folder;
  const short = join(tmpdir(), `dk-${shortHash(folder)}`);
  await mkdir(short, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const found = await lstat(short);
  // Anybody may make folders in the temporary folder; whoever owns this one could replace the engine's socket.
  if (!found.isDirectory() || found.uid !== process.getuid?.()) throw new Error(`${short} belongs to somebody else; remove it`);
  return short;
}

export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
