// Which process a number means: a pid with its start time, since numbers are used again.

import { readFile } from 'node:fs/promises';

export interface ProcessMark {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks since boot. */
  readonly started: string;
}

/** True while that very process runs; a zombie has ended. */
export async function isAlive(mark: ProcessMark): Promise<boolean> {
  const fields = await statFields(mark.pid);
  return fields !== undefined && fields[0] !== 'Z' && fields[19] === mark.started;
}

export async function startTime(pid: number): Promise<string | undefined> {
  return (await statFields(pid))?.[19];
}

/** The fields after the program's name, which may itself hold spaces and parentheses: state is the first. */
async function statFields(pid: number): Promise<string[] | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
