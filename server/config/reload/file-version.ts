// Detects changes of the file that a path names. A file watch of the operating system would follow the inode, and miss
// that a link or a folder above the file was replaced.

import { realpath, stat } from 'node:fs/promises';

export interface FileVersion {
  /** Differs after every change of the file. */
  readonly version: string;
  /** Path of the file with all links resolved; the error code if there is no such file. */
  readonly target: string;
}

/** Resolves the path again, with all its links, and reads the version of the file. Never throws. */
export async function readFileVersion(file: string): Promise<FileVersion> {
  try {
    const target = await realpath(file);
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(target, { bigint: true });
    return { version: [target, dev, ino, size, mtimeNs, ctimeNs].join(' '), target };
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return { version: code, target: code };
  }
}

/**
 * True for an open file that no path leads to, such as a deleted file behind `/dev/fd/3`. False if there is no file: it
 * may still appear. Never throws.
 */
export async function hasNoPath(file: string): Promise<boolean> {
  try {
    const before = await stat(file);
    if (await hasRealPath(file)) return false;
    // A file that was replaced between the two calls has another inode.
    const after = await stat(file);
    return before.ino === after.ino && before.dev === after.dev;
  } catch {
    return false;
  }
}

function hasRealPath(file: string): Promise<boolean> {
  return realpath(file).then(
    () => true,
    () => false,
  );
}
