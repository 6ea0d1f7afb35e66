// Folders that must be there when the gateway starts.

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { quote } from '../../calls/contract/quote.ts';
import type { Finding } from './explain.ts';

/** Looks whether `news`, when it is given, is a folder. Relative to `base`. */
export async function checkFolders(root: Readonly<Record<string, unknown>>, base: string): Promise<readonly Finding[]> {
  const { news } = root;
  if (typeof news !== 'string' || await isFolder(resolve(base, news))) return [];
  return [{ spot: { path: ['news'] }, message: `there is no folder ${quote(news)} beside the configuration` }];
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
