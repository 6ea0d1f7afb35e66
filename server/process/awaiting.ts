// Whether a process is known to wait for its input: a thread of it, or of its children, stands in a system call that returns when
// something can be read from that input, and for no other reason. What cannot be seen is not guessed.

import { open, readdir, readFile, readlink } from 'node:fs/promises';
import type { OpenInput } from './inputs.ts';
import { readProcess } from './proc.ts';

/** Numbers of system calls by machine; elsewhere nothing is known. What each takes is in its man page (section 2). */
const numbers: Readonly<Record<string, Readonly<Record<number, Wait>>>> = {
  x64: { 0: 'read', 19: 'read', 45: 'read', 47: 'read', 7: 'poll', 271: 'ppoll', 23: 'select', 270: 'select' },
  arm64: { 63: 'read', 65: 'read', 207: 'read', 212: 'read', 73: 'ppoll', 72: 'select' },
};

/** read(2) and its kin name the descriptor; poll(2) and select(2) have it in the memory of the process. */
type Wait = 'read' | 'poll' | 'ppoll' | 'select';

/** A tree with more threads than this is not looked through to its end. */
const threadsMax = 128;
const readable = 1;
/** `struct pollfd`: a descriptor, the events asked for, the events that happened. */
const pollBytes = 8;

export async function awaits(input: OpenInput): Promise<boolean> {
  const waiting = [input.pid];
  for (let threads = 0; waiting.length > 0 && threads < threadsMax;) {
    const pid = waiting.shift()!;
    const found = await readdir(`/proc/${pid}/task`).catch(() => []);
    threads += found.length;
    for (const thread of found) {
      if (await stands(`/proc/${pid}/task/${thread}`, pid, input)) return true;
      waiting.push(...await children(`/proc/${pid}/task/${thread}`));
    }
  }
  return false;
}

async function children(task: string): Promise<readonly number[]> {
  const text = await readFile(`${task}/children`, 'latin1').catch(() => '');
  return text.split(' ').filter((pid) => pid !== '').map(Number);
}

/** Empty where it may not be read: of a process of another user, or where the kernel was built without it. */
async function stands(task: string, pid: number, input: OpenInput): Promise<boolean> {
  const text = await readFile(`${task}/syscall`, 'latin1').catch(() => '');
  const [number = NaN, ...args] = text.trim().split(' ').map(Number);
  const wait = numbers[process.arch]?.[number];
  const fd = wait === undefined ? undefined : await awaited(wait, args, pid);
  return fd !== undefined && await isInput(pid, fd, input);
}

/** The one descriptor that the call waits for, without a bound in time. */
async function awaited(wait: Wait, args: readonly number[], pid: number): Promise<number | undefined> {
  const [first = 0, second = 0, third = 0, , fifth = 0] = args;
  switch (wait) {
    case 'read': return first;
    case 'poll': return second === 1 && isForEver(third) ? polled(pid, first) : undefined;
    case 'ppoll': return second === 1 && third === 0 ? polled(pid, first) : undefined;
    case 'select': return third === 0 && fifth === 0 ? selected(pid, { below: first, at: second }) : undefined;
    default: return wait satisfies never;
  }
}

/** A negative int; the kernel shows the whole register. */
function isForEver(ms: number): boolean {
  return ms % 2 ** 32 >= 2 ** 31;
}

async function polled(pid: number, at: number): Promise<number | undefined> {
  const entry = await readMemory(pid, at, pollBytes);
  return entry !== undefined && (entry.readInt16LE(4) & readable) !== 0 ? entry.readInt32LE(0) : undefined;
}

/** The descriptor whose bit is set, when it is the only one. */
async function selected(pid: number, { below, at }: { readonly below: number; readonly at: number }): Promise<number | undefined> {
  if (at === 0 || below < 1 || below > 1024) return undefined;
  const bits = await readMemory(pid, at, Math.ceil(below / 64) * 8);
  const set = Array.from({ length: below }, (_, fd) => fd).filter((fd) => bits !== undefined && (bits[fd >> 3]! & (1 << (fd & 7))) !== 0);
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
  // Whoever asks for a password asks the terminal of its session, whatever its input is.
  return file === '/dev/tty' && input.file.startsWith('/dev/pts/') && readProcess(pid)?.session === input.pid;
}
