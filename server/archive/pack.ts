// Packs folders into a tar archive while a consumer reads it. Memory use does not depend on the size of the folders.

import { lstat } from 'node:fs/promises';
import { mapAhead } from '../support/map-ahead.ts';
import { systemCode } from '../support/system-error.ts';
import { coalesce } from './coalesce.ts';
import { openLarge, type PreparedEntry, prepareEntry, readPieces } from './read-ahead.ts';
import { encodeHeader, endOfArchive, type Header, padding } from './tar-header.ts';
import { type FilterResult, type FolderEntry, type PathFilter, walkFolder } from './walk-folder.ts';

export interface PackSource {
  /** Absolute, or relative to the working folder of the process. With `optional`, a missing folder counts as empty. */
  readonly root: string;
  readonly optional?: boolean;
  /** Prepended to every name, with a slash. The archive has no entries for the folders of the prefix itself. */
  readonly prefix?: string;
  /** Filter for the paths in the folder. Default: include everything. */
  readonly filter?: PathFilter;
}

/** Number of files and links, without folders, and the bytes of their contents. */
export interface ArchiveStats {
  readonly files: number;
  readonly bytes: number;
}

export interface PackListener {
  /**
   * Called after each entry with the totals so far. The last call comes before the consumer reads the end of the
   * archive.
   */
  readonly onPacked?: (stats: ArchiveStats, packed: { readonly path: string; readonly bytes: number }) => void;
  /** Called with the reason when `path` could not be packed as it was found. Packing continues. */
  readonly onWarning?: (path: string, what: string) => void;
}

/** Packs one folder, with the rules of `packFolders`. */
export function packFolder(
  root: string,
  options: Omit<PackSource, 'root'> & PackListener = {},
): AsyncGenerator<Uint8Array> {
  return packFolders([{ ...options, root }], options);
}

/**
 * Packs folders on top of each other: on extraction, a later file replaces an earlier one of the same name. Packs links
 * as links and skips sockets and devices. The owner of all entries is 0.
 *
 * Throws ArchiveError for a file or folder that cannot be read. Read the result once, to its end or until `return()`.
 * Opens nothing before the first read.
 */
export function packFolders(sources: readonly PackSource[], listener: PackListener = {}): AsyncGenerator<Uint8Array> {
  return coalesce(packEntries(sources, listener));
}

async function* packEntries(sources: readonly PackSource[], listener: PackListener): AsyncGenerator<Uint8Array> {
  let files = 0;
  let bytes = 0;
  for (const { root, prefix = '', filter = includeAll, optional = false } of sources) {
    if (optional && (await isMissing(root))) continue;
    const before = Buffer.from(prefix === '' ? '' : `${prefix}/`);
    for await (const prepared of mapAhead(
      walkFolder(root, filter, listener.onWarning),
      prepareAheadMax,
      prepareEntry,
    )) {
      const size = yield* packEntry(prepared, Buffer.concat([before, prepared.entry.name]), listener);
      if (size === undefined) continue;
      if (!prepared.entry.stats.isDirectory()) files += 1;
      bytes += size;
      listener.onPacked?.({ files, bytes }, { path: prepared.entry.shown, bytes: size });
    }
  }
  yield endOfArchive;
}

function includeAll(): FilterResult {
  return 'include';
}

async function isMissing(root: string): Promise<boolean> {
  return lstat(root).then(
    () => false,
    (error: unknown) => systemCode(error) === 'ENOENT',
  );
}

const prepareAheadMax = 16;

/**
 * Yields the header and content of an entry. Returns the size of the content, or undefined if the entry was skipped.
 */
async function* packEntry(
  { entry, content }: PreparedEntry,
  name: Buffer,
  listener: PackListener,
): AsyncGenerator<Uint8Array, number | undefined> {
  const { shown, stats } = entry;
  const header = { name, mode: stats.mode, mtime: stats.mtimeMs / 1000, size: 0 };
  if (content === 'gone') return skip('disappeared before it was read: left out');
  if (stats.isDirectory()) yield encodeHeader({ ...header, kind: 'folder' });
  else if (stats.isSymbolicLink()) yield encodeHeader({ ...header, kind: 'link', target: content! });
  else if (!stats.isFile()) return skip('not a file, folder or link: left out');
  else if (content !== undefined) return yield* packFile(entry, [content], { header, listener });
  else {
    const file = await openLarge(entry);
    if (file === undefined) return skip('disappeared before it was read: left out');
    try {
      return yield* packFile(entry, readPieces(file, entry), { header, listener });
    } finally {
      await file.close();
    }
  }
  return 0;

  function skip(reason: string): undefined {
    listener.onWarning?.(shown, reason);
  }
}

interface FileEntryOptions {
  readonly header: Omit<Header, 'kind'>;
  readonly listener: PackListener;
}

/** Yields the header of a file, and its content with exactly the size that the header states. */
async function* packFile(
  { shown, stats: { size } }: FolderEntry,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { header, listener }: FileEntryOptions,
): AsyncGenerator<Uint8Array, number> {
  yield encodeHeader({ ...header, kind: 'file', size });
  let written = 0;
  let hasGrown = false;
  for await (const piece of pieces) {
    const content = piece.subarray(0, size - written);
    hasGrown ||= content.length < piece.length;
    written += content.length;
    yield content;
  }
  if (hasGrown) listener.onWarning?.(shown, 'grew while it was read: the new content is left out');
  if (written < size) listener.onWarning?.(shown, 'shrank while it was read: padded with zeros');
  yield* zeros(size - written);
  yield padding(size);
  return size;
}

const zerosAtOnce = 128 << 10;

async function* zeros(count: number): AsyncGenerator<Uint8Array> {
  for (let left = count; left > 0; left -= zerosAtOnce) yield Buffer.alloc(Math.min(zerosAtOnce, left));
}
