// What Linux tells about processes in /proc. Every reader takes a process that has just gone for one that is not there.

import { closeSync, openSync, readFileSync, readSync, readlinkSync } from 'node:fs';
import { readFile, readdir, readlink } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';

export interface Seen {
  readonly pid: number;
  /** The first 15 bytes of the program's name. */
  readonly name: string;
  /** One letter: R running, S sleeping, D waiting for a device, T stopped, Z zombie … */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks since boot. With the pid, the identity of a process: pids are used again. */
  readonly startTime: number;
  /** False for a zombie: it has ended, and only its parent has not looked yet. */
  readonly living: boolean;
  /** A thread of the kernel, not a program. */
  readonly kernel: boolean;
}

const kernelThread = 0x00200000;
/** How long one pass may keep the event loop from other work. */
const turnMs = 4;
const room = Buffer.alloc(4096);

export function readProcess(pid: number): Seen | undefined {
  const stat = readSmall(`/proc/${pid}/stat`);
  return stat === undefined ? undefined : parseStat(pid, stat);
}

/** All processes, in one pass that lets others have their turn. */
export async function readProcesses(): Promise<ReadonlyMap<number, Seen>> {
  const found = new Map<number, Seen>();
  let turnFrom = performance.now();
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const seen = readProcess(pid);
    if (seen !== undefined) found.set(pid, seen);
    if (performance.now() - turnFrom < turnMs) continue;
    await nextTurn();
    turnFrom = performance.now();
  }
  return found;
}

/** Empty where it may not be read. Asynchronous, because the kernel can make the reader wait for a stuck process. */
export async function readEnvironment(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
}

/** What its standard input, output and error are, pipes and sockets only: `socket:[12345]`. */
export function readStandardFiles(pid: number): readonly string[] {
  return [0, 1, 2].map((fd) => readFileOf(pid, fd)).filter(isPipe);
}

/** What one of its descriptors is; empty where that may not be read. */
export function readFileOf(pid: number, fd: number): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return '';
  }
}

export async function readStandardFilesLater(pid: number): Promise<readonly string[]> {
  const files = await Promise.all([0, 1, 2].map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  return files.filter(isPipe);
}

/** Differs after every start of the machine. */
export function readBoot(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

/** proc_pid_stat(5). The name may itself hold spaces and parentheses, so fields are counted from its end. */
export function parseStat(pid: number, stat: string): Seen | undefined {
  const nameEnd = stat.lastIndexOf(')');
  const fields = stat.slice(nameEnd + 2).split(' ');
  const [state = ''] = fields;
  const field = (number: number): number => Number(fields[number - 3]);
  if (nameEnd < 0 || !Number.isFinite(field(22))) return undefined;
  // A program whose first thread has ended shows as a zombie, although its other threads go on.
  const living = state !== 'X' && (state !== 'Z' || field(20) > 1);
  return {
    pid, name: stat.slice(stat.indexOf('(') + 1, nameEnd), state, living,
    parent: field(4), group: field(5), session: field(6), startTime: field(22),
    kernel: (field(9) & kernelThread) !== 0,
  };
}

function isPipe(file: string): boolean {
  return file.startsWith('socket:[') || file.startsWith('pipe:[');
}

function readSmall(file: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(file, 'r');
    return room.toString('latin1', 0, readSync(fd, room));
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
