// File descriptors that a child must not find open. Node opens its own close-on-exec; a terminal's end from node-pty is not,
// and whoever inherits it can read and type in somebody else's terminal. Descriptors belong to the whole program, so does this list.

import { closeSync, openSync } from 'node:fs';

const inheritable = new Set<number>();

/** Keeps `fd` from every process started from now on. Returns what forgets it, to be called when it is closed. */
export function keepFromChildren(fd: number): () => void {
  inheritable.add(fd);
  return () => { inheritable.delete(fd); };
}

export interface Cover {
  /** To be put behind the first three entries of `stdio`: /dev/null over every such descriptor. */
  readonly stdio: readonly (number | 'ignore')[];
  /** To be called when the process is spawned. */
  close(): void;
}

export function coverInherited(): Cover {
  if (inheritable.size === 0) return { stdio: [], close: () => {} };
  const nothing = openSync('/dev/null', 'r+');
  const stdio: (number | 'ignore')[] = [];
  for (let fd = 3; fd <= Math.max(...inheritable); fd += 1) stdio.push(inheritable.has(fd) ? nothing : 'ignore');
  return { stdio, close: () => closeSync(nothing) };
}
