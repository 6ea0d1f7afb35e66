// Identifies a process by pid and start time, because pids are reused.

import { readFile } from 'node:fs/promises';

export interface ProcessIdentity {
  readonly pid: number;
  /** Start time: field 22 of /proc/<pid>/stat, in clock ticks since boot. */
  readonly started: string;
}

/** True while exactly this process runs. A zombie counts as ended. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const fields = await statFields(identity.pid);
  return fields !== undefined && fields[0] !== 'Z' && fields[19] === identity.started;
}

export async function readStartTime(pid: number): Promise<string | undefined> {
  return (await statFields(pid))?.[19];
}

/** Returns the fields after the program name, beginning with the state. The name may contain spaces and parentheses. */
async function statFields(pid: number): Promise<string[] | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
