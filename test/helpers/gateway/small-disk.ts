// A small disk for a data folder: a file system in memory that only the test and its gateways see.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';

export interface SmallDisk {
  /** Prefix for a command that must see the disk. */
  readonly wrapper: readonly string[];
  /** Returns the path by which this process can reach a file on the disk. */
  path(...names: readonly string[]): string;
  freeBytes(): Promise<number>;
  /** Extends a file so that at most `leftBytes` stay free. */
  fill(leftBytes?: number): Promise<void>;
  /** Removes the file that `fill` has written. */
  empty(): Promise<void>;
  /** Removes the disk. Stop its gateways before. */
  remove(): Promise<void>;
}

/** Mounts a disk of this size at the existing folder, in a mount namespace of its own. Needs root. */
export async function mountSmallDisk(folder: string, mebibytes: number): Promise<SmallDisk> {
  const script = `mount -t tmpfs -o size=${mebibytes}m none "$0" && echo ready && exec sleep infinity`;
  const holder = spawn('unshare', ['-m', 'sh', '-c', script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  const path = (...names: readonly string[]): string => join(`/proc/${holder.pid}/root`, folder, ...names);
  const freeBytes = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(path());
    return bavail * bsize;
  };
  return {
    wrapper: ['nsenter', '-m', '-t', String(holder.pid)],
    path,
    freeBytes,
    async fill(leftBytes = 0) {
      const bytes = Math.max(0, (await freeBytes()) - leftBytes);
      await appendFile(path('ballast'), Buffer.alloc(bytes)).catch(() => undefined);
    },
    empty: () => rm(path('ballast'), { force: true }),
    async remove() {
      holder.kill('SIGKILL');
      if (holder.exitCode === null && holder.signalCode === null) await once(holder, 'exit');
    },
  };
}
