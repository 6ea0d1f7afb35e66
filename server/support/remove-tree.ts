// Removes folders of any size without delaying anything else. Node's own recursive `rm` starts on all entries at
// once. For 100 000 files, its callbacks would occupy the event loop for most of a second.

import type { Dir, Dirent } from 'node:fs';
import { lstat, opendir, rmdir, unlink } from 'node:fs/promises';
import { systemCode } from './system-error.ts';

/** Number of entries that are removed at once. */
const batchMax = 32;
/** Maximum number of attempts to remove a folder. Files can appear in it meanwhile. */
const roundsMax = 3;

/**
 * Removes a file, a link, or a folder with its content. Does not follow links. Does nothing if the path does not exist.
 * Rejects with the file-system error.
 */
export async function removeTree(path: string): Promise<void> {
  await removeEntry(Buffer.from(path));
}

// Paths are bytes, because file names need not be UTF-8.
async function removeEntry(path: Buffer): Promise<void> {
  const stats = await unlessGone(lstat(path));
  if (stats === undefined) return;
  if (!stats.isDirectory()) return void (await unlessGone(unlink(path)));
  for (let round = 1; ; round += 1) {
    await emptyFolder(path);
    try {
      return void (await unlessGone(rmdir(path)));
    } catch (error) {
      if (systemCode(error) !== 'ENOTEMPTY' || round === roundsMax) throw error;
    }
  }
}

async function emptyFolder(path: Buffer): Promise<void> {
  // The types of Node lack this encoding.
  const encoding = 'buffer' as BufferEncoding;
  const folder = await unlessGone(opendir(path, { bufferSize: batchMax, encoding }));
  if (folder === undefined) return;
  for await (const batch of batches(folder)) {
    const folders = batch.filter((entry) => entry.isDirectory());
    const others = batch.filter((entry) => !entry.isDirectory());
    await Promise.all(others.map(({ name }) => unlessGone(unlink(join(path, name)))));
    // One after the other, so that the number of operations stays the same at any depth.
    for (const { name } of folders) await removeEntry(join(path, name));
  }
}

type ByteEntry = Omit<Dirent, 'name'> & { readonly name: Buffer };

function join(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, Buffer.from('/'), name]);
}

async function* batches(folder: Dir): AsyncGenerator<readonly ByteEntry[]> {
  let batch: ByteEntry[] = [];
  for await (const entry of folder)
    if (batch.push(entry as unknown as ByteEntry) === batchMax) {
      yield batch;
      batch = [];
    }
  yield batch;
}

/** Resolves with undefined if the path does not exist, or was removed meanwhile. */
async function unlessGone<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
