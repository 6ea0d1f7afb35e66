// Reading what is packed: small files before it is their turn, large ones piece by piece when it is.

import { constants } from 'node:fs';
import { open, readlink, type FileHandle } from 'node:fs/promises';
import { systemCode, systemReason } from '../reason.ts';
import { ArchiveError } from './archive-error.ts';
import type { Found } from './walk.ts';

export interface Prepared {
  readonly found: Found;
  /** Of a link its target; of a small file its content, and a byte more when it has become longer. Absent for anything else. `gone`: it is not there any more. */
  readonly read?: Buffer | 'gone';
}

const smallBytes = 32 << 10;

/** Throws ArchiveError when it cannot be read. */
export async function prepare(found: Found): Promise<Prepared> {
  const { path, stats } = found;
  try {
    if (stats.isSymbolicLink()) return { found, read: await readlink(path, 'buffer') };
    return stats.isFile() && stats.size <= smallBytes ? { found, read: await wholeOf(found) } : { found };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { found, read: 'gone' };
    throw unreadable(found, error);
  }
}

async function wholeOf({ path, stats }: Found): Promise<Buffer> {
  const file = await openFile(path);
  try {
    const bytes = Buffer.allocUnsafe(stats.size + 1);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

const pieceBytes = 128 << 10;

/** A large file, to be closed by who asked for it; undefined when it is gone. Throws ArchiveError when it cannot be opened. */
export async function openLarge(found: Found): Promise<FileHandle | undefined> {
  try {
    return await openFile(found.path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw unreadable(found, error);
  }
}

/** Its content: as much as it had when it was found, and a byte more when it has become longer. Throws ArchiveError when it cannot be read. */
export async function* piecesOf(file: FileHandle, found: Found): AsyncGenerator<Uint8Array> {
  try {
    for (let left = found.stats.size + 1; left > 0; ) {
      // A new one each time: whoever gets it may keep it.
      const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, left));
      const { bytesRead } = await file.read(piece, 0, piece.length, null);
      if (bytesRead === 0) return;
      left -= bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  } catch (error) {
    throw unreadable(found, error);
  }
}

/** What was a file may be a pipe by now, whose other end nobody opens. */
function openFile(path: Buffer): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

function unreadable({ shown }: Found, error: unknown): unknown {
  if (systemCode(error) === undefined) return error;
  return new ArchiveError(`cannot read "${shown}": ${systemReason(error)}`, { cause: error });
}
