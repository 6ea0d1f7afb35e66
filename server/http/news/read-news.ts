// Reads the folder of news items. Reads an unchanged file only once.

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../support/logger.ts';
import { splitFrontMatter } from './front-matter.ts';
import type { NewsItem } from './news-item.ts';
import { newsItem, parseNewsName } from './news-item.ts';

/** Maximum size of a file. Larger files are skipped. */
export const newsBytesMax = 256 << 10;

/** Maximum number of files. Only the last ones by name, which are the newest, are read. */
export const newsFilesMax = 500;

/**
 * Returns a function that reads the folder that `folder()` names at the time of the call; without a folder it returns
 * no news. It logs each skipped file once per change. It treats a missing folder or file as empty, and rejects with any
 * other file-system error.
 */
export function createNewsReader(folder: () => string | undefined, log: Logger): () => Promise<readonly NewsItem[]> {
  let known: NewsCache = new Map();
  return async () => {
    const path = folder();
    if (path === undefined) return [];
    const before = known;
    known = await scanFolder(path, before);
    logSkippedFiles(known, before, log);
    return uniqueItems(known);
  };
}

/** Result of each file, by path. */
type NewsCache = ReadonlyMap<string, CachedFile>;

/** An item, or the reason for skipping the file. */
interface CachedFile {
  /** Differs after a change of the file. */
  readonly version: string;
  readonly item?: NewsItem;
  readonly why?: string;
  /** Why the front matter of the file, or only its date, is ignored. */
  readonly warning?: string;
}

async function scanFolder(folder: string, before: NewsCache): Promise<NewsCache> {
  const seen = new Map<string, CachedFile>();
  const names = ((await unlessMissing(readdir(folder))) ?? []).sort();
  if (names.length > newsFilesMax)
    seen.set(folder, {
      version: '',
      why: `more than ${newsFilesMax} files; only the last ${newsFilesMax} by name are read`,
    });
  for (const name of names.slice(-newsFilesMax)) {
    const path = join(folder, name);
    seen.set(path, await readItem(path, name, before.get(path)));
  }
  return seen;
}

async function readItem(path: string, name: string, before: CachedFile | undefined): Promise<CachedFile> {
  const parsed = parseNewsName(name);
  if (parsed === undefined) return { version: '', why: 'the name is not YYYY-MM-DD-slug.md or .html' };
  const found = await unlessMissing(stat(path));
  // A folder can be replaced by one whose files have the same times and sizes.
  const version = `${found?.dev} ${found?.ino} ${found?.ctimeMs} ${found?.mtimeMs} ${found?.size} ${found?.isFile()}`;
  if (before?.version === version) return before;
  if (found?.isFile() !== true) return { version, why: 'not a regular file' };
  if (found.size > newsBytesMax) return { version, why: `larger than ${newsBytesMax} bytes` };
  const text = await unlessMissing(readFile(path, 'utf8'));
  if (text === undefined) return { version, why: 'the file was removed meanwhile' };
  const split = splitFrontMatter(text);
  return { version, item: newsItem(parsed, split), ...(split.warning !== undefined && { warning: split.warning }) };
}

function logSkippedFiles(known: NewsCache, before: NewsCache, log: Logger): void {
  for (const [file, { version, why, warning }] of known) {
    const logged = before.get(file);
    if (logged?.why === why && logged?.version === version) continue;
    if (why !== undefined) log.warn({ file, why }, 'news: file skipped');
    if (warning !== undefined) log.warn({ file, why: warning }, 'news: front matter ignored');
  }
}

function uniqueItems(known: NewsCache): readonly NewsItem[] {
  const all = [...known.values()].flatMap(({ item }) => item ?? []);
  // x.md and x.html have the same id: return only the last one by name.
  const items = [...new Map(all.map((item) => [item.id, item])).values()];
  // All dates have the same form, so their text has the same order.
  return items.sort((a, b) => Number(a.date > b.date) - Number(a.date < b.date));
}

/** Resolves with undefined if the file does not exist. */
async function unlessMissing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
