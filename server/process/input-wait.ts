// Detects whether a process waits for its input. One of its threads, or of its children's, must be in a system call
// that only this input can complete. Returns false when the kernel does not show enough.

import { open, readdir, readlink } from 'node:fs/promises';
import type { OpenInput } from './open-inputs.ts';
import { readChildren, readProcess } from './procfs/procfs.ts';

/**
 * System calls by number, for each architecture. Processes on other architectures never count as waiting. Section 2 of
 * the man pages documents the arguments.
 */
const syscallNumbers: Readonly<Record<string, Readonly<Record<number, WaitCall>>>> = {
  x64: { 0: 'read', 19: 'read', 45: 'read', 47: 'read', 7: 'poll', 271: 'ppoll', 23: 'select', 270: 'select' },
  arm64: { 63: 'read', 65: 'read', 207: 'read', 212: 'read', 73: 'ppoll', 72: 'select' },
};

/**
 * read(2) and similar calls take the descriptor as an argument. poll(2) and select(2) keep it in the memory of the
 * process.
 */
type WaitCall = 'read' | 'poll' | 'ppoll' | 'select';

/** Maximum number of threads that one check reads. */
const threadsMax = 128;
const readable = 1;
/** `struct pollfd`: descriptor, requested events, returned events. */
const pollBytes = 8;
/** Size of the largest /proc/PID/task/TID/syscall: nine numbers of 64 bits. */
const contentBytesMax = 256;

export async function isWaitingForInput(input: OpenInput): Promise<boolean> {
  const pending = [input.pid];
  for (let threads = 0; pending.length > 0 && threads < threadsMax; ) {
    const pid = pending.shift()!;
    const taskIds = await readdir(`/proc/${pid}/task`).catch(() => []);
    threads += taskIds.length;
    for (const thread of taskIds) {
      if (await isThreadWaiting(`/proc/${pid}/task/${thread}`, pid, input)) return true;
      pending.push(...readChildren(pid, Number(thread)));
    }
  }
  return false;
}

/**
 * Returns true if the thread waits for `input`. False also means unknown: `/proc/PID/task/TID/syscall` may be
 * unreadable if the process runs as another user, and kernels can be built without it.
 */
async function isThreadWaiting(task: string, pid: number, input: OpenInput): Promise<boolean> {
  const text = await readOnce(`${task}/syscall`);
  const [number = NaN, ...args] = text.trim().split(' ').map(Number);
  const wait = syscallNumbers[process.arch]?.[number];
  const fd = wait === undefined ? undefined : await awaitedFd(wait, args, pid);
  return fd !== undefined && (await isInput(pid, fd, input));
}

/**
 * Returns the content of a short file in /proc, or an empty string. Asynchronous, because the kernel delays the answer
 * while the process executes a program from a slow disk. `readFile` would need twice as many system calls.
 */
async function readOnce(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  try {
    const { buffer, bytesRead = 0 } = (await file?.read(Buffer.alloc(contentBytesMax))) ?? {};
    return buffer?.toString('latin1', 0, bytesRead) ?? '';
  } catch {
    return '';
  } finally {
    await file?.close();
  }
}

/** Returns the only descriptor that the call waits for; undefined if it waits for several or has a timeout. */
async function awaitedFd(wait: WaitCall, args: readonly number[], pid: number): Promise<number | undefined> {
  const [first = 0, second = 0, third = 0, , fifth = 0] = args;
  switch (wait) {
    case 'read':
      return first;
    case 'poll':
      return second === 1 && isInfinite(third) ? polledFd(pid, first) : undefined;
    case 'ppoll':
      return second === 1 && third === 0 ? polledFd(pid, first) : undefined;
    case 'select':
      return third === 0 && fifth === 0 ? selectedFd(pid, { below: first, at: second }) : undefined;
    default:
      return wait satisfies never;
  }
}

/**
 * Returns true for a negative number of milliseconds, which means no timeout. The kernel shows an unsigned 64-bit
 * register.
 */
function isInfinite(ms: number): boolean {
  return ms % 2 ** 32 >= 2 ** 31;
}

async function polledFd(pid: number, at: number): Promise<number | undefined> {
  const entry = await readMemory(pid, at, pollBytes);
  return entry !== undefined && (entry.readInt16LE(4) & readable) !== 0 ? entry.readInt32LE(0) : undefined;
}

/** Returns the descriptor whose bit is set; undefined if not exactly one is set. */
async function selectedFd(
  pid: number,
  { below, at }: { readonly below: number; readonly at: number },
): Promise<number | undefined> {
  if (at === 0 || below < 1 || below > 1024) return undefined;
  const bits = await readMemory(pid, at, Math.ceil(below / 64) * 8);
  const set = Array.from({ length: below }, (_, fd) => fd).filter(
    (fd) => bits !== undefined && (bits[fd >> 3]! & (1 << (fd & 7))) !== 0,
  );
  return set.length === 1 ? set[0] : undefined;
}

async function readMemory(pid: number, at: number, length: number): Promise<Buffer | undefined> {
  if (!Number.isSafeInteger(at)) return undefined;
  const memory = await open(`/proc/${pid}/mem`).catch(() => undefined);
  try {
    const read = await memory?.read(Buffer.alloc(length), 0, length, at);
    return read?.bytesRead === length ? read.buffer : undefined;
  } catch {
    return undefined;
  } finally {
    await memory?.close();
  }
}

async function isInput(pid: number, fd: number, input: OpenInput): Promise<boolean> {
  const file = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
  if (file === input.file) return true;
  // A program that prompts for a password opens /dev/tty, the terminal of its session, even if its stdin is another
  // file.
  return file === '/dev/tty' && input.file.startsWith('/dev/pts/') && readProcess(pid)?.session === input.pid;
}
