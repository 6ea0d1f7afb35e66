// The folder of news items. A file is read again only when it has changed.

import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../support/logger.ts';
import { newsItem, parseNewsName } from './item.ts';
import type { NewsItem } from './item.ts';

/** Of one file; larger ones are left out. */
export const newsBytesMax = 256 << 10;

/** Items told; the newest of them when the folder has more. */
export const newsItemsMax = 500;

/**
 * Gives the reader of the folder that `folder()` names at the time; without a folder there is no news. Files that are not news
 * items are left out, with one line in the log for each change of them. The reader throws what the file system throws, except that
 * a folder or file that is not there counts as empty.
 */
export function createNewsShelf(folder: () => string | undefined, log: Logger): () => Promise<readonly NewsItem[]> {
  let known: Known = new Map();
  return async () => {
    const path = folder();
    if (path === undefined) return [];
    const names = (await present(readdir(path)) ?? []).sort();
    known = new Map(await Promise.all(names.map((name) => look(path, name, known, log))));
    return items(known);
  };
}

/** Every file of the folder by its path, with what was made of it. */
type Known = ReadonlyMap<string, Seen>;

interface Seen {
  /** Changes when the file does. */
  readonly version: string;
  /** Undefined when it is not an item. */
  readonly item?: NewsItem;
}

async function look(folder: string, name: string, known: Known, log: Logger): Promise<readonly [string, Seen]> {
  const path = join(folder, name);
  const found = await present(stat(path));
  const version = `${found?.mtimeMs} ${found?.size} ${found?.isFile()}`;
  const before = known.get(path);
  if (before?.version === version) return [path, before];
  const read = await readItem(path, name, found);
  if (typeof read !== 'string') return [path, { version, item: read }];
  log.warn({ file: name, why: read }, 'a file in the news folder is left out');
  return [path, { version }];
}

/** The item, or why the file is none. */
async function readItem(path: string, name: string, found: Found | undefined): Promise<NewsItem | string> {
  const parsed = parseNewsName(name);
  if (parsed === undefined) return 'its name is not YYYY-MM-DD-slug.md or .html';
  if (found === undefined || !found.isFile()) return 'it is not a file';
  if (found.size > newsBytesMax) return `it is larger than ${newsBytesMax} bytes`;
  const text = await present(readFile(path, 'utf8'));
  return text === undefined ? 'it is gone' : newsItem(parsed, text);
}

interface Found {
  readonly size: number;
  isFile(): boolean;
}

function items(known: Known): readonly NewsItem[] {
  // Of x.md and x.html the first in the order of names is told: an id is one item.
  const byId = new Map([...known.values()].flatMap(({ item }) => (item === undefined ? [] : [[item.id, item] as const])).reverse());
  const sorted = [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return sorted.slice(-newsItemsMax);
}

/** Undefined for what is not there. */
async function present<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
