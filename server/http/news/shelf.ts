// The folder of news items. A file is read again only when it has changed.

import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../support/logger.ts';
import { newsItem, parseNewsName } from './item.ts';
import type { NewsItem } from './item.ts';

/** Of one file; larger ones are left out. */
export const newsBytesMax = 256 << 10;

/** Files looked at: the last in the order of their names, and so the newest, when the folder has more. */
export const newsFilesMax = 500;

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
    const before = known;
    known = await look(path, before);
    complain(known, before, log);
    return items(known);
  };
}

/** What was made of each file, by its path. */
type Known = ReadonlyMap<string, Seen>;

/** Either an item, or why there is none. */
interface Seen {
  /** Changes when the file does. */
  readonly version: string;
  readonly item?: NewsItem;
  readonly why?: string;
}

async function look(folder: string, before: Known): Promise<Known> {
  const seen = new Map<string, Seen>();
  const names = (await present(readdir(folder)) ?? []).sort();
  if (names.length > newsFilesMax) seen.set(folder, { version: '', why: `only the last ${newsFilesMax} of its files are looked at` });
  for (const name of names.slice(-newsFilesMax)) {
    const path = join(folder, name);
    seen.set(path, await lookAt(path, name, before.get(path)));
  }
  return seen;
}

async function lookAt(path: string, name: string, before: Seen | undefined): Promise<Seen> {
  const parsed = parseNewsName(name);
  if (parsed === undefined) return { version: '', why: 'its name is not YYYY-MM-DD-slug.md or .html' };
  const found = await present(stat(path));
  const version = `${found?.mtimeMs} ${found?.size} ${found?.isFile()}`;
  if (before?.version === version) return before;
  if (found?.isFile() !== true) return { version, why: 'it is not a file' };
  if (found.size > newsBytesMax) return { version, why: `it is larger than ${newsBytesMax} bytes` };
  const text = await present(readFile(path, 'utf8'));
  return text === undefined ? { version, why: 'it is gone' } : { version, item: newsItem(parsed, text) };
}

function complain(known: Known, before: Known, log: Logger): void {
  for (const [file, { version, why }] of known) {
    const told = before.get(file);
    if (why !== undefined && (told?.why !== why || told.version !== version)) log.warn({ file, why }, 'news: left out');
  }
}

function items(known: Known): readonly NewsItem[] {
  const all = [...known.values()].flatMap(({ item }) => item ?? []);
  // Of x.md and x.html, neighbours in the order of names, one is told: an id is one item.
  return [...new Map(all.map((item) => [item.id, item])).values()];
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
