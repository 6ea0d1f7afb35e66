// Removing the folder of a run, from its journal entry alone.

import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ObligationEntry, Release, ReleaseManner, Releaser } from '../../../calls/contract/ports.ts';
import { systemCode, systemReason } from '../../support/reason.ts';

/** The releaser for obligations of kind `folder`. Touches nothing but folders that are right below `work`. */
export function releaseFolder(work: string): Releaser {
  const above = resolve(work);
  return async (entry: ObligationEntry, { flow }: ReleaseManner): Promise<Release> => {
    const path = entry.facts['path'];
    if (typeof path !== 'string' || resolve(path) !== path || dirname(path) !== above) {
      return { left: `${String(path)} is not a folder of ${above}, where folders of runs are: it was not touched` };
    }
    await flow.catch(() => {});
    const there = await isThere(path);
    if (there === false) return { how: 'never made' };
    const why = await remove(path);
    return why === undefined ? { how: 'removed' } : { left: `${path} cannot be removed: ${why}` };
  };
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(() => true, (error: unknown) => {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  });
}

const tries = 5;
const betweenMs = 100;

/** Why it is still there, if it is. Whoever is just writing to it may add a file between our look and the removal. */
async function remove(path: string): Promise<string | undefined> {
  let why: string | undefined;
  for (let tried = 1; tried <= tries; tried++) {
    try {
      await rm(path, { recursive: true, force: true });
      return await isThere(path) ? 'it is there again' : undefined;
    } catch (error) {
      why = systemReason(error);
      await open(path).catch(() => {});
      await pause(betweenMs);
    }
  }
  return why;
}

/** A job may have shut its own folders. */
async function open(folder: string): Promise<void> {
  if (!(await lstat(folder)).isDirectory()) return;
  await chmod(folder, 0o700);
  for (const inside of await readdir(folder)) {
    await open(join(folder, inside));
  }
}
