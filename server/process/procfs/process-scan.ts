// Scans all processes of the machine. Simultaneous requests share one scan.

import { parseMarkers } from '../environment.ts';
import type { ProcessInfo } from './procfs.ts';
import { readEnvironment, readProcesses, readStandardFilesAsync } from './procfs.ts';

/** Values that link a process to a run even if its parents and its process group do not. */
export interface ProcessLinks {
  readonly run?: string;
  readonly id?: string;
  /** Pipes and sockets used as standard input, output or error. */
  readonly files: readonly string[];
}

export interface ProcessScan {
  readonly processes: ReadonlyMap<number, ProcessInfo>;
  /** Reads the links of a process on demand, at most once per scan. */
  links(pid: number): Promise<ProcessLinks>;
}

/** Returns a scan function. Each scan begins after its request; requests during a scan share the next one. */
export function createScanner(): () => Promise<ProcessScan> {
  let current: Promise<unknown> = Promise.resolve();
  let next: Promise<ProcessScan> | undefined;
  return () =>
    (next ??= current.then(async () => {
      next = undefined;
      const scan = scanProcesses();
      current = scan.catch(() => {});
      return scan;
    }));
}

async function scanProcesses(): Promise<ProcessScan> {
  const processes = await readProcesses();
  const known = new Map<number, Promise<ProcessLinks>>();
  return {
    processes,
    links(pid) {
      const links = known.get(pid) ?? readLinks(pid);
      known.set(pid, links);
      return links;
    },
  };
}

export async function readLinks(pid: number): Promise<ProcessLinks> {
  const [environment, files] = await Promise.all([readEnvironment(pid), readStandardFilesAsync(pid)]);
  return { ...parseMarkers(environment), files };
}
