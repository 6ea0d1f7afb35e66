// Removes the cgroup of a private engine's containers, which outlives their processes.

import { readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { delay } from '../../support/delay.ts';
import { shortHash } from './runtime-dir.ts';

const root = '/sys/fs/cgroup';

export function cgroupName(folder: string): string {
  return `distillery-${shortHash(folder)}`;
}

/**
 * Removes the (empty) cgroup from every hierarchy of version 1 and 2. Retries a busy one until `deadline`
 * (`performance.now()`), then throws.
 */
export async function removeCgroup(name: string, deadline: number): Promise<void> {
  const hierarchies = await listFolders(root);
  for (const folder of [root, ...hierarchies].map((at) => join(at, name))) {
    while (!(await removeTree(folder))) {
      if (performance.now() > deadline) throw new Error(`the cgroup ${folder} is still in use`);
      await delay(10);
    }
  }
}

/** Removes folders from the leaves up. The kernel removes the files of a cgroup together with its folder. */
async function removeTree(folder: string): Promise<boolean> {
  for (const inner of await listFolders(folder)) await removeTree(inner);
  return rmdir(folder).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
}

async function listFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name));
}
