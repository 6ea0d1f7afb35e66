// Removes a folder that a run created. Needs only the journal entry.

import { chmod, lstat, opendir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { ObligationEntry, Release, ReleaseOptions, Releaser } from '../../../calls/contract/ports.ts';
import { delay } from '../../support/delay.ts';
import { removeTree } from '../../support/remove-tree.ts';
import { systemCode, systemErrorText } from '../../support/system-error.ts';

/** Returns the releaser for obligations of kind `folder`. The releaser removes only direct children of `work`. */
export function releaseFolder(work: string): Releaser {
  const parent = resolve(work);
  return async (entry: ObligationEntry, { pending }: ReleaseOptions): Promise<Release> => {
    const path = entry.facts['path'];
    if (typeof path !== 'string' || resolve(path) !== path || dirname(path) !== parent) {
      return { left: `${String(path)} is not removed, because it is not a direct child of ${parent}` };
    }
    await pending.catch(() => {});
    const exists = await pathExists(path);
    if (exists === false) return { how: 'never created' };
    const why = await remove(path);
    return why === undefined ? { how: 'removed' } : { left: `${path} cannot be removed: ${why}` };
  };
}

async function pathExists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error: unknown) => {
      // ENOTDIR: a file is in the place of the parent folder.
      if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return false;
      throw error;
    },
  );
}

const attemptsMax = 5;
const retryDelayMs = 100;

/**
 * Removes the folder. Returns why it still exists, or undefined. Retries, because another process may add files during
 * the removal.
 */
async function remove(path: string): Promise<string | undefined> {
  let why: string | undefined;
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    try {
      await removeTree(path);
      return (await pathExists(path)) ? 'it was created again' : undefined;
    } catch (error) {
      why = systemErrorText(error);
      await restorePermissions(path).catch(() => {});
      await delay(retryDelayMs);
    }
  }
  return why;
}

/**
 * Makes the folder and all folders inside accessible to the gateway again, because a job may have removed the
 * permissions.
 */
async function restorePermissions(folder: string): Promise<void> {
  if (!(await lstat(folder)).isDirectory()) return;
  await chmod(folder, 0o700);
  for await (const { name } of await opendir(folder)) await restorePermissions(join(folder, name));
}
