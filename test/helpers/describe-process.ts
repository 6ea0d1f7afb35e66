// Describes a process for messages of tests: its pid and, if readable, its command line.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export function describeProcess(pid: string): string {
  try {
    return `process ${pid}: ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`;
  } catch {
    return `process ${pid}`;
  }
}

/** Returns the ids of the processes with a descriptor for one of `links`, the targets in `/proc/<pid>/fd`. */
export function findHolders(links: readonly string[]): readonly string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => readDescriptors(pid).some((link) => links.includes(link)));
}

function readDescriptors(pid: string): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}
