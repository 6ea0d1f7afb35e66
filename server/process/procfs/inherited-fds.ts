// Hides file descriptors from child processes. Node opens its own descriptors close-on-exec, but node-pty does not. A
// child that inherits a terminal descriptor could read and type in another run's terminal.
//
// Descriptors belong to the whole process, so this registry is global.

import { closeSync, openSync } from 'node:fs';

const hiddenFds = new Set<number>();

/**
 * Hides `fd` from all processes spawned from now on. Returns a function that removes it from the list; call it when
 * `fd` is closed.
 */
export function hideFromChildren(fd: number): () => void {
  hiddenFds.add(fd);
  return () => {
    hiddenFds.delete(fd);
  };
}

export interface FdMask {
  /**
   * Entries to append to the first three entries of `stdio`. They replace every hidden descriptor by /dev/null in the
   * child.
   */
  readonly stdio: readonly (number | 'ignore')[];
  /** Closes /dev/null. Call this after the spawn. */
  close(): void;
}

export function maskInheritedFds(): FdMask {
  if (hiddenFds.size === 0) return { stdio: [], close: () => {} };
  const devNull = openSync('/dev/null', 'r+');
  const stdio: (number | 'ignore')[] = [];
  for (let fd = 3; fd <= Math.max(...hiddenFds); fd += 1) stdio.push(hiddenFds.has(fd) ? devNull : 'ignore');
  return { stdio, close: () => closeSync(devNull) };
}
