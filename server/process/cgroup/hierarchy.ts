// Finds the cgroup (version 2) of the gateway and prepares it for cgroups with limits.

import { accessSync, appendFileSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { readProcess } from '../procfs/procfs.ts';

/** What a process call may limit, in the terms of cgroups. */
export interface CgroupLimits {
  readonly memoryBytes?: number;
  readonly cpus?: number;
  readonly pidsMax?: number;
}

export type Controller = 'memory' | 'cpu' | 'pids';

/**
 * The cgroup to which the gateway moves itself and its descendants, because a cgroup with processes cannot limit its
 * children.
 */
const gatewayChild = 'distillery-gateway';
const cpuPeriodUs = 100_000;

/** Returns the folder of the gateway's cgroup, or why there is none. */
export function findOwnCgroup(): { readonly folder: string } | { readonly reason: string } {
  const mount = /^\d+ \d+ \S+ (\S+) (\S+) .* - cgroup2 /m.exec(readText('/proc/self/mountinfo'));
  const own = /^0::(.*)$/m.exec(readText('/proc/self/cgroup'))?.[1];
  if (mount === null || own === undefined) return { reason: 'cgroup version 2 is not mounted' };
  const [, root = '/', mountPoint = ''] = mount;
  const within = path.posix.relative(root, own);
  if (within.startsWith('..')) return { reason: 'the cgroup of the gateway is outside of the mounted hierarchy' };
  return { folder: path.join(mountPoint, within) };
}

/** Returns the files that set the limits, each with its value and controller. */
export function limitFiles({
  memoryBytes,
  cpus,
  pidsMax,
}: CgroupLimits): readonly { readonly controller: Controller; readonly file: string; readonly value: string }[] {
  const list: { controller: Controller; file: string; value: string }[] = [];
  if (memoryBytes !== undefined) list.push({ controller: 'memory', file: 'memory.max', value: String(memoryBytes) });
  if (cpus !== undefined)
    list.push({ controller: 'cpu', file: 'cpu.max', value: `${Math.round(cpus * cpuPeriodUs)} ${cpuPeriodUs}` });
  if (pidsMax !== undefined) list.push({ controller: 'pids', file: 'pids.max', value: String(pidsMax) });
  return list;
}

/** Returns why cgroups below `folder` cannot have the controllers; undefined if no reason is known. */
export function whyUnavailable(folder: string, controllers: readonly Controller[]): string | undefined {
  try {
    for (const file of ['', 'cgroup.procs', 'cgroup.subtree_control'])
      accessSync(path.join(folder, file), constants.W_OK);
  } catch {
    return `the gateway may not write to its cgroup ${folder}; with systemd, set Delegate=yes`;
  }
  const offered = readWords(path.join(folder, 'cgroup.controllers'));
  const missing = controllers.filter((controller) => !offered.includes(controller));
  return missing.length === 0 ? undefined : `the cgroup ${folder} has no controller ${missing.join(', ')}`;
}

/** Makes the controllers available to cgroups below `folder`. Throws an error with the reason. */
export function enableControllers(folder: string, controllers: readonly Controller[]): void {
  const control = path.join(folder, 'cgroup.subtree_control');
  const enabled = readWords(control);
  const missing = controllers.filter((controller) => !enabled.includes(controller));
  if (missing.length === 0) return;
  if (!isRoot(folder)) moveGateway(folder);
  try {
    writeFileSync(control, missing.map((controller) => `+${controller}`).join(' '));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    throw new Error(`other processes share the cgroup ${folder} with the gateway; give it a cgroup of its own`);
  }
}

/** True for the root of the hierarchy, which is the only cgroup without the file `cgroup.events`. */
function isRoot(folder: string): boolean {
  return !existsSync(path.join(folder, 'cgroup.events'));
}

/** A descendant that starts processes without a pause would otherwise delay the gateway forever. */
const moveRoundsMax = 100;

/**
 * Moves the gateway and all its descendants. A process that has not been moved yet may start others, so this repeats
 * until two rounds find the same processes, at most `moveRoundsMax` times.
 */
function moveGateway(folder: string): void {
  const child = path.join(folder, gatewayChild);
  mkdirSync(child, { recursive: true });
  let before = '';
  for (let round = 0; round < moveRoundsMax; round += 1) {
    const found = readWords(path.join(folder, 'cgroup.procs')).map(Number).filter(belongsToGateway);
    const pids = found.join();
    if (pids === before) return;
    before = pids;
    for (const pid of found) moveProcess(pid, child);
  }
}

/**
 * True for the gateway and its descendants. Finds descendants whose own parent has ended only if the gateway is a
 * subreaper.
 */
function belongsToGateway(pid: number): boolean {
  for (let at = pid; at > 0; at = readProcess(at)?.parent ?? 0) if (at === process.pid) return true;
  return false;
}

function moveProcess(pid: number, folder: string): void {
  try {
    appendFileSync(path.join(folder, 'cgroup.procs'), `${pid}\n`);
  } catch (error) {
    // The process has ended.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function readWords(file: string): readonly string[] {
  return readText(file).trim().split(/\s+/);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
