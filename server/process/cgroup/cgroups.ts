// Cgroups of processes: created with their limits, and removed together with all processes in them.

import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import type { ObligationEntry, Release, Releaser, RunPorts } from '../../../calls/contract/ports.ts';
import { delay } from '../../support/delay.ts';
import {
  type CgroupLimits,
  type Controller,
  enableControllers,
  findOwnCgroup,
  limitFiles,
  whyUnavailable,
} from './hierarchy.ts';

export interface Cgroups {
  /** Returns why processes cannot have limits on this machine; undefined if no reason is known. */
  whyUnavailable(): string | undefined;
  /** Throws WorkFailed if a process with these limits cannot start on this machine. Creates nothing. */
  check(limits: CgroupLimits): void;
  /**
   * Journals a cgroup, creates it and sets its limits. Returns its folder. Throws WorkFailed if the machine does not
   * support one of the limits.
   */
  open(ports: Pick<RunPorts, 'run' | 'events' | 'openObligation'>, limits: CgroupLimits): string;
  /** Kills the processes in a cgroup until the kernel lets the gateway remove it. For obligations of kind `cgroup`. */
  readonly release: Releaser;
}

const allControllers: readonly Controller[] = ['memory', 'cpu', 'pids'];
const namePrefix = 'distillery-run-';
/** How long a removal waits for processes that do not end. */
const killMs = 10_000;
const pollMs = { first: 2, factor: 2, last: 50 } as const;

export interface CgroupsOptions {
  /** Folder of the gateway's cgroup, or why there is none. */
  readonly own?: ReturnType<typeof findOwnCgroup>;
  /** Returns the files that set limits. Tests replace it where the kernel has no controllers. */
  readonly listFiles?: typeof limitFiles;
}

export function createCgroups({ own = findOwnCgroup(), listFiles = limitFiles }: CgroupsOptions = {}): Cgroups {
  const reasonFor = (controllers: readonly Controller[]): string | undefined =>
    'reason' in own ? own.reason : whyUnavailable(own.folder, controllers);
  const counts = new WeakMap<RunPorts['events'], number>();
  return {
    whyUnavailable: () => reasonFor(allControllers),
    check(limits) {
      const controllers = listFiles(limits).map(({ controller }) => controller);
      const reason = controllers.length === 0 ? undefined : reasonFor(controllers);
      if (reason !== undefined) throw cannotLimit(reason);
    },
    open(ports, limits) {
      const files = listFiles(limits);
      const controllers = files.map(({ controller }) => controller);
      const reason = reasonFor(controllers);
      if (reason !== undefined || 'reason' in own) throw cannotLimit(reason ?? '');
      // Count cgroups per run: all ports of a run share the object `events`.
      const count = (counts.get(ports.events) ?? 0) + 1;
      counts.set(ports.events, count);
      const folder = path.join(own.folder, `${namePrefix}${ports.run}-${count}`);
      ports.openObligation('cgroup', `cgroup-${count}`, { folder });
      try {
        enableControllers(own.folder, controllers);
        mkdirSync(folder);
        for (const { file, value } of files) writeFileSync(path.join(folder, file), value);
      } catch (error) {
        throw cannotLimit((error as Error).message);
      }
      return folder;
    },
    release: releaseCgroup,
  };
}

function cannotLimit(reason: string): WorkFailed {
  return new WorkFailed(
    `memory, cpus and pids of a process need a cgroup that the gateway may create: ${reason}; remove them from the ` +
      'call, or see "Limits of processes" in docs/operations.md',
  );
}

/** Returns the pids in the cgroup and in the cgroups below it. Empty if it does not exist. */
export function listCgroupPids(folder: string): readonly number[] {
  try {
    const own = readFileSync(path.join(folder, 'cgroup.procs'), 'latin1')
      .split('\n')
      .map(Number)
      .filter((pid) => pid > 1);
    return [...own, ...childFolders(folder).flatMap(listCgroupPids)];
  } catch {
    return [];
  }
}

/** Sends SIGKILL to all processes in the cgroup: at once with Linux 5.14 or later, otherwise to each. */
export function killCgroup(folder: string): void {
  try {
    writeFileSync(path.join(folder, 'cgroup.kill'), '1', { flag: 'r+' });
  } catch {
    for (const pid of listCgroupPids(folder)) tryKill(pid);
  }
}

/** Returns true if the kernel ended a process of the cgroup because of its memory limit. */
export function cgroupHasOomKill(folder: string): boolean {
  try {
    const events = readFileSync(path.join(folder, 'memory.events'), 'latin1');
    return /^oom_kill [1-9]/m.test(events);
  } catch {
    return false;
  }
}

async function releaseCgroup({ facts }: ObligationEntry): Promise<Release> {
  const { folder } = facts;
  if (typeof folder !== 'string' || !path.basename(folder).startsWith(namePrefix))
    return { left: `the journal names no cgroup of a run: ${String(folder)}` };
  const deadline = performance.now() + killMs;
  for (let wait: number = pollMs.first; !tryRemove(folder); wait = Math.min(wait * pollMs.factor, pollMs.last)) {
    if (performance.now() > deadline)
      return { left: `the cgroup ${folder} still has processes: ${listCgroupPids(folder).join(', ')}` };
    killCgroup(folder);
    await delay(wait);
  }
  return { how: 'removed' };
}

/** Removes cgroups from the leaves up. Returns false if one cannot be removed, for example because it has a process. */
function tryRemove(folder: string): boolean {
  try {
    for (const child of childFolders(folder)) if (!tryRemove(child)) return false;
    rmdirSync(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The process has ended.
  }
}

function childFolders(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => path.join(folder, name));
}
