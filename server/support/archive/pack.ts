// Folders as a tar archive, read as it is wanted: memory does not depend on how much there is.

import { constants } from 'node:fs';
import { lstat, open, readlink, type FileHandle } from 'node:fs/promises';
import { systemCode, systemReason } from '../reason.ts';
import { ArchiveError } from './archive-error.ts';
import { gathered } from './gathered.ts';
import { encodeHeader, endOfArchive, padding } from './header.ts';
import { walk, type Found, type Judge, type Verdict } from './walk.ts';

export interface Source {
  /** Absolute or relative to the working folder of this process. One that is not there holds nothing when it is `optional`. */
  readonly root: string;
  readonly optional?: boolean;
  /** Put before every name, with a slash between; the folders it consists of are not in the archive themselves. */
  readonly under?: string;
  /** Absent: everything is taken. */
  readonly judge?: Judge;
}

/** Files and links; folders are not counted. Bytes of content. */
export interface Tally {
  readonly files: number;
  readonly bytes: number;
}

export interface PackWatch {
  /** What is packed by now; called after each entry, the last time before the end of the archive is read. */
  readonly onPacked?: (tally: Tally) => void;
  /** `path` is not in the archive as it was found, and why; it goes on all the same. */
  readonly onTrouble?: (path: string, what: string) => void;
}

/** As `packFolders`, of one. */
export function packFolder(root: string, options: Omit<Source, 'root'> & PackWatch = {}): AsyncGenerator<Uint8Array> {
  return packFolders([{ ...options, root }], options);
}

/**
 * The folders, one on top of the other: what comes later replaces what has the same name. Links are packed as links, sockets and devices left out. All belongs to owner 0.
 * Throws ArchiveError for a file or folder that cannot be read. To be read once, to its end or until `return()`; nothing is opened before.
 */
export function packFolders(sources: readonly Source[], watch: PackWatch = {}): AsyncGenerator<Uint8Array> {
  return gathered(entriesOf(sources, watch));
}

async function* entriesOf(sources: readonly Source[], watch: PackWatch): AsyncGenerator<Uint8Array> {
  let files = 0;
  let bytes = 0;
  for (const { root, under = '', judge = takeAll, optional = false } of sources) {
    if (optional && await isMissing(root)) continue;
    const prefix = Buffer.from(under === '' ? '' : `${under}/`);
    for await (const found of walk(root, judge, watch.onTrouble)) {
      const size = yield* entry(found, Buffer.concat([prefix, found.name]), watch);
      if (size === undefined) continue;
      if (!found.stats.isDirectory()) files += 1;
      bytes += size;
      watch.onPacked?.({ files, bytes });
    }
  }
  yield endOfArchive;
}

function takeAll(): Verdict {
  return 'take';
}

async function isMissing(root: string): Promise<boolean> {
  return lstat(root).then(() => false, (error: unknown) => systemCode(error) === 'ENOENT');
}

/** Bytes of its content; undefined when it is not packed. */
async function* entry(found: Found, name: Buffer, watch: PackWatch): AsyncGenerator<Uint8Array, number | undefined> {
  const { path, shown, stats } = found;
  const common = { name, mode: stats.mode, mtime: stats.mtimeMs / 1000, size: 0 };
  try {
    if (stats.isDirectory()) yield encodeHeader({ ...common, kind: 'folder' });
    else if (stats.isSymbolicLink()) yield encodeHeader({ ...common, kind: 'link', target: await readlink(path, 'buffer') });
    else if (stats.isFile()) return yield* fileEntry(found, common, watch);
    else return skip('neither a file nor a folder nor a link: left out');
    return 0;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return skip('gone before it was read: left out');
    if (systemCode(error) === undefined) throw error;
    throw new ArchiveError(`cannot read "${shown}": ${systemReason(error)}`, { cause: error });
  }

  function skip(why: string): undefined {
    watch.onTrouble?.(shown, why);
  }
}

async function* fileEntry({ path, shown }: Found, common: { readonly name: Buffer; readonly mode: number; readonly mtime: number }, watch: PackWatch): AsyncGenerator<Uint8Array, number> {
  // What was a file may be a pipe by now, whose other end nobody opens.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = await file.stat();
    yield encodeHeader({ ...common, kind: 'file', size });
    const read = yield* content(file, size);
    // The header has promised `size` bytes, so that is what has to follow.
    if (read < size) {
      watch.onTrouble?.(shown, 'became shorter while it was read: filled up with zeros');
      yield* zeros(size - read);
    } else if ((await file.stat()).size > size) watch.onTrouble?.(shown, 'became longer while it was read: what came later is left out');
    yield padding(size);
    return size;
  } finally {
    await file.close();
  }
}

const pieceBytes = 128 << 10;

async function* content(file: FileHandle, size: number): AsyncGenerator<Uint8Array, number> {
  let read = 0;
  while (read < size) {
    // A new one each time: whoever gets it may keep it.
    const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, size - read));
    const { bytesRead } = await file.read(piece, 0, piece.length, null);
    if (bytesRead === 0) break;
    read += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
  return read;
}

async function* zeros(count: number): AsyncGenerator<Uint8Array> {
  for (let left = count; left > 0; left -= pieceBytes) yield Buffer.alloc(Math.min(pieceBytes, left));
}
