// Creates a folder with its parents. The recursive mkdir of Node never returns where a file system answers ENOENT
// although the parent exists, as below /proc and in a deleted folder.

import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Creates `path` and missing parents; an existing folder stays. Throws the file-system error of the failing part. */
export function makeFolder(path: string, mode = 0o777): void {
  const error = tryCreate(path, mode);
  if (error === undefined) return;
  const parent = dirname(path);
  if (error.code !== 'ENOENT' || parent === path) throw error;
  makeFolder(parent, mode);
  const again = tryCreate(path, mode);
  if (again !== undefined) throw again;
}

/** Returns the error, or undefined if the folder exists now. */
function tryCreate(path: string, mode: number): NodeJS.ErrnoException | undefined {
  try {
    mkdirSync(path, { mode });
    return undefined;
  } catch (error) {
    return isFolder(path) ? undefined : (error as NodeJS.ErrnoException);
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
