// Walks a folder in byte order of the names; each folder comes before its contents.

import type { Stats } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { sortInTurns } from '../support/sort-in-turns.ts';
import { systemCode, systemErrorText } from '../support/system-error.ts';
import { ArchiveError } from './archive-error.ts';

/**
 * What a filter decides about a path. `exclude` also excludes everything in a folder. `descend` includes a folder only
 * if something in it is included.
 */
export type FilterResult = 'include' | 'exclude' | 'descend';

/** Decides about `path`, which is relative and has slashes as separators. */
export type PathFilter = (path: string, isFolder: boolean) => FilterResult;

export interface FolderEntry {
  /** Full path, as bytes. */
  readonly path: Buffer;
  /** Relative path, as bytes. */
  readonly name: Buffer;
  /** `name` as readable text. */
  readonly shown: string;
  readonly stats: Stats;
}

const slash = Buffer.from('/');

/**
 * Yields the entries of `root` that `filter` accepts. Does not follow links, except `root` itself. Reports entries that
 * disappear meanwhile to `onWarning`. Throws ArchiveError for a folder that cannot be read.
 */
export async function* walkFolder(
  root: string,
  filter: PathFilter,
  onWarning?: (path: string, what: string) => void,
): AsyncGenerator<FolderEntry> {
  const base = Buffer.from(`${root}/`);
  /** Names still to be read. The last one comes next. */
  const pendingNames = (await listNames(base, Buffer.alloc(0))).map((name): PendingName => ({ name }));
  /** Folders that are included only if something in them is included. Each lies inside the previous one. */
  let undecided: FolderEntry[] = [];
  for (let next = pendingNames.at(-1); next !== undefined; next = pendingNames.at(-1)) {
    for (const pending of pendingNames.slice(-readAheadMax))
      pending.entry ??= handleLater(readEntry(base, pending.name));
    pendingNames.pop();
    const { name } = next;
    const entry = await next.entry;
    if (entry === undefined) {
      onWarning?.(name.toString(), 'disappeared before it was read: left out');
      continue;
    }
    const isFolder = entry.stats.isDirectory();
    const result = filter(entry.shown, isFolder);
    if (result === 'exclude' || (result === 'descend' && !isFolder)) continue;
    undecided = undecided.filter((folder) => isInside(name, folder.name));
    if (result === 'descend') undecided.push(entry);
    else {
      yield* undecided;
      undecided = [];
      yield entry;
    }
    if (isFolder)
      for (const inside of await listNames(base, Buffer.concat([name, slash]))) pendingNames.push({ name: inside });
  }
}

interface PendingName {
  readonly name: Buffer;
  entry?: Promise<FolderEntry | undefined>;
}

const readAheadMax = 16;

/** Prevents an uncaught rejection. The walk handles the error when it reaches the entry, if ever. */
function handleLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

function isInside(name: Buffer, folder: Buffer): boolean {
  return (
    name.length > folder.length && name[folder.length] === slash[0] && name.subarray(0, folder.length).equals(folder)
  );
}

async function readEntry(base: Buffer, name: Buffer): Promise<FolderEntry | undefined> {
  const path = Buffer.concat([base, name]);
  try {
    return { path, name, shown: name.toString(), stats: await lstat(path) };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new ArchiveError(`cannot read "${name.toString()}": ${systemErrorText(error)}`, { cause: error });
  }
}

/** Number of names that are read at once. A folder can have very many. */
const namesPerTurn = 256;

/** Lists a folder in reverse order, because the walk takes names from the end. */
async function listNames(base: Buffer, folder: Buffer): Promise<readonly Buffer[]> {
  try {
    // The types of Node lack this encoding.
    const encoding = 'buffer' as BufferEncoding;
    const names: Buffer[] = [];
    for await (const entry of await opendir(Buffer.concat([base, folder]), { bufferSize: namesPerTurn, encoding }))
      names.push(Buffer.concat([folder, entry.name as unknown as Buffer]));
    return await sortInTurns(names, (a, b) => Buffer.compare(b, a));
  } catch (error) {
    if (folder.length > 0 && systemCode(error) === 'ENOENT') return [];
    const shown = folder.length === 0 ? 'the folder' : `"${folder.toString().slice(0, -1)}"`;
    throw new ArchiveError(`cannot read ${shown}: ${systemErrorText(error)}`, { cause: error });
  }
}
