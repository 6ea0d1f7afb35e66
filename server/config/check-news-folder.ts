// Checks that the folder of news items exists.

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { KeyDiagnostic } from '../../calls/text/diagnostic.ts';
import { quote } from '../../calls/text/quote.ts';

/** Checks `news`, a path relative to `base`. */
export async function checkNewsFolder(
  root: Readonly<Record<string, unknown>>,
  base: string,
): Promise<readonly KeyDiagnostic[]> {
  const { news } = root;
  if (typeof news !== 'string' || (await isFolder(resolve(base, news)))) return [];
  const message = `the folder ${quote(news)} does not exist`;
  return [
    { path: ['news'], message, suggestions: ['create it, or write its path relative to the configuration file'] },
  ];
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
