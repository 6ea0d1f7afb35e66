// Readers for /proc. All of them treat a process that has just ended as absent.

import { closeSync, openSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';

export interface ProcessInfo {
  readonly pid: number;
  /** First 15 bytes of the program name. */
  readonly name: string;
  /** One letter: R running, S sleeping, D uninterruptible, T stopped, Z zombie … */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks since boot. Together with the pid it identifies a process, because pids are reused. */
  readonly startTime: number;
  /** False for a zombie: the process has ended, but its parent has not reaped it. */
  readonly living: boolean;
  /** True for a kernel thread. */
  readonly kernel: boolean;
}

const kernelThread = 0x00200000;
/** Maximum time that one pass may block the event loop. */
const turnMsMax = 4;
const readBuffer = Buffer.alloc(4096);

export function readProcess(pid: number): ProcessInfo | undefined {
  const stat = readSmallFile(`/proc/${pid}/stat`);
  return stat === undefined ? undefined : parseStat(pid, stat);
}

/**
 * Returns the children that the thread `thread` of a process has started. For the main thread of a subreaper, these
 * include descendants whose own parent has ended.
 */
export function readChildren(pid: number, thread = pid): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').trimEnd();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    return [];
  }
}

/** Reads all processes. Yields to the event loop in between. */
export async function readProcesses(): Promise<ReadonlyMap<number, ProcessInfo>> {
  const processes = new Map<number, ProcessInfo>();
  let turnStart = performance.now();
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const info = readProcess(pid);
    if (info !== undefined) processes.set(pid, info);
    if (performance.now() - turnStart < turnMsMax) continue;
    await nextTurn();
    turnStart = performance.now();
  }
  return processes;
}

/**
 * Returns the environment of a process; empty if unreadable. Asynchronous, because the kernel may block the reader of a
 * stuck process.
 */
export async function readEnvironment(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
}

/** Returns the target of one descriptor; empty if unreadable. */
export function readFdTarget(pid: number, fd: number): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return '';
  }
}

/** Returns the targets of standard input, output and error that are pipes or sockets, such as `socket:[12345]`. */
export async function readStandardFilesAsync(pid: number): Promise<readonly string[]> {
  const files = await Promise.all([0, 1, 2].map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  return files.filter(isPipeOrSocket);
}

/** Returns the boot id of the machine, which changes with every boot. */
export function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

/**
 * Parses the format of proc_pid_stat(5). The name may contain spaces and parentheses, so fields are counted after its
 * last parenthesis.
 */
export function parseStat(pid: number, stat: string): ProcessInfo | undefined {
  const nameEnd = stat.lastIndexOf(')');
  const fields = stat.slice(nameEnd + 2).split(' ');
  const [state = ''] = fields;
  const field = (number: number): number => Number(fields[number - 3]);
  if (nameEnd < 0 || !Number.isFinite(field(22))) return undefined;
  // A program whose first thread has ended appears as a zombie although its other threads continue.
  const living = state !== 'X' && (state !== 'Z' || field(20) > 1);
  return {
    pid,
    name: stat.slice(stat.indexOf('(') + 1, nameEnd),
    state,
    living,
    parent: field(4),
    group: field(5),
    session: field(6),
    startTime: field(22),
    kernel: (field(9) & kernelThread) !== 0,
  };
}

function isPipeOrSocket(file: string): boolean {
  return file.startsWith('socket:[') || file.startsWith('pipe:[');
}

function readSmallFile(file: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(file, 'r');
    return readBuffer.toString('latin1', 0, readSync(fd, readBuffer));
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
