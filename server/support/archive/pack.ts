// Folders as a tar archive, read as it is wanted: memory does not depend on how much there is.

import { lstat } from 'node:fs/promises';
import { inAdvance } from '../in-advance.ts';
import { systemCode } from '../reason.ts';
import { gathered } from './gathered.ts';
import { encodeHeader, endOfArchive, padding, type Header } from './header.ts';
import { openLarge, piecesOf, prepare, type Prepared } from './prepare.ts';
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
    for await (const prepared of inAdvance(walk(root, judge, watch.onTrouble), preparedAtOnce, prepare)) {
      const size = yield* entry(prepared, Buffer.concat([prefix, prepared.found.name]), watch);
      if (size === undefined) continue;
      if (!prepared.found.stats.isDirectory()) files += 1;
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

const preparedAtOnce = 16;

/** Bytes of its content; undefined when it is not packed. */
async function* entry({ found, read }: Prepared, name: Buffer, watch: PackWatch): AsyncGenerator<Uint8Array, number | undefined> {
  const { shown, stats } = found;
  const header = { name, mode: stats.mode, mtime: stats.mtimeMs / 1000, size: 0 };
  if (read === 'gone') return skip('gone before it was read: left out');
  if (stats.isDirectory()) yield encodeHeader({ ...header, kind: 'folder' });
  else if (stats.isSymbolicLink()) yield encodeHeader({ ...header, kind: 'link', target: read! });
  else if (!stats.isFile()) return skip('neither a file nor a folder nor a link: left out');
  else if (read !== undefined) return yield* fileEntry(found, [read], { header, watch });
  else {
    const file = await openLarge(found);
    if (file === undefined) return skip('gone before it was read: left out');
    try {
      return yield* fileEntry(found, piecesOf(file, found), { header, watch });
    } finally {
      await file.close();
    }
  }
  return 0;

  function skip(why: string): undefined {
    watch.onTrouble?.(shown, why);
  }
}

interface FilePlace {
  readonly header: Omit<Header, 'kind'>;
  readonly watch: PackWatch;
}

/** The header promises what was found, so that is what has to follow. */
async function* fileEntry({ shown, stats: { size } }: Found, pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, { header, watch }: FilePlace): AsyncGenerator<Uint8Array, number> {
  yield encodeHeader({ ...header, kind: 'file', size });
  let given = 0;
  let longer = false;
  for await (const piece of pieces) {
    const fitting = piece.subarray(0, size - given);
    longer ||= fitting.length < piece.length;
    given += fitting.length;
    yield fitting;
  }
  if (longer) watch.onTrouble?.(shown, 'became longer while it was read: what came later is left out');
  if (given < size) watch.onTrouble?.(shown, 'became shorter while it was read: filled up with zeros');
  yield* zeros(size - given);
  yield padding(size);
  return size;
}

const zerosAtOnce = 128 << 10;

async function* zeros(count: number): AsyncGenerator<Uint8Array> {
  for (let left = count; left > 0; left -= zerosAtOnce) yield Buffer.alloc(Math.min(zerosAtOnce, left));
}
