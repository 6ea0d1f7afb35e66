// Reads files for packing: small ones ahead of time, large ones in chunks when needed.

import { constants } from 'node:fs';
import { type FileHandle, open, readlink } from 'node:fs/promises';
import { systemCode, systemErrorText } from '../support/system-error.ts';
import { ArchiveError } from './archive-error.ts';
import type { FolderEntry } from './walk-folder.ts';

export interface PreparedEntry {
  readonly entry: FolderEntry;
  /**
   * Target of a link, or content of a small file, with one more byte if the file has grown. `gone`: the file no longer
   * exists. Absent for everything else.
   */
  readonly content?: Buffer | 'gone';
}

const smallBytes = 32 << 10;

/** Reads a link or a small file, or finds that it is gone. Rejects with ArchiveError for any other failure. */
export async function prepareEntry(entry: FolderEntry): Promise<PreparedEntry> {
  const { path, stats } = entry;
  try {
    if (stats.isSymbolicLink()) return { entry, content: await readlink(path, 'buffer') };
    return stats.isFile() && stats.size <= smallBytes ? { entry, content: await readWhole(entry) } : { entry };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { entry, content: 'gone' };
    throw toReadError(entry, error);
  }
}

async function readWhole({ path, stats }: FolderEntry): Promise<Buffer> {
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

/**
 * Opens a large file; the caller closes the file. Resolves with undefined if it no longer exists. Rejects with
 * ArchiveError if it cannot be opened.
 */
export async function openLarge(entry: FolderEntry): Promise<FileHandle | undefined> {
  try {
    return await openFile(entry.path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw toReadError(entry, error);
  }
}

/**
 * Yields as many bytes as the file had when the walk found it, and one more if it has grown. Throws ArchiveError if the
 * file cannot be read.
 */
export async function* readPieces(file: FileHandle, entry: FolderEntry): AsyncGenerator<Uint8Array> {
  try {
    for (let left = entry.stats.size + 1; left > 0; ) {
      // Allocate a new buffer each time, because the consumer may keep it.
      const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, left));
      const { bytesRead } = await file.read(piece, 0, piece.length, null);
      if (bytesRead === 0) return;
      left -= bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  } catch (error) {
    throw toReadError(entry, error);
  }
}

/** Opens a file without blocking, because it may have become a pipe with no writer. */
function openFile(path: Buffer): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

function toReadError({ shown }: FolderEntry, error: unknown): unknown {
  if (systemCode(error) === undefined) return error;
  return new ArchiveError(`cannot read "${shown}": ${systemErrorText(error)}`, { cause: error });
}
