// The cgroup a private engine puts its containers in: the one thing that outlives its processes, so it is removed by hand.

import { readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { shortHash } from './runtime-folder.ts';

const root = '/sys/fs/cgroup';

export function cgroupOf(folder: string): string {
  return `distillery-${shortHash(folder)}`;
}

/** Removes the (empty) cgroup from every hierarchy, of version 1 and 2. A busy one is tried again until `deadline`; then throws. */
export async function removeCgroup(name: string, deadline: number): Promise<void> {
  const hierarchies = await foldersIn(root);
  for (const folder of [root, ...hierarchies].map((at) => join(at, name))) {
    while (!(await removeTree(folder))) {
      if (Date.now() > deadline) throw new Error(`the cgroup ${folder} is still in use`);
      await pause(10);
    }
  }
}

/** rmdir from the leaves up: a cgroup's files are not ours to remove and go with it. */
async function removeTree(folder: string): Promise<boolean> {
  for (const inner of await foldersIn(folder)) await removeTree(inner);
  return rmdir(folder).then(() => true, (error: NodeJS.ErrnoException) => error.code === 'ENOENT');
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name));
}
