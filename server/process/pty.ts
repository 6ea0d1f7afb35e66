// A pseudo-terminal: our end, and how to size, read to the end and type into it without ever blocking.
//
// Only the native part of node-pty 1.1 is used, the one that opens the pair. Its own process and streams would lose output (libuv takes a
// hangup for the end, and node-pty closes 200 ms after the exit), spin on a program that does not read, and leave root its groups.

import { closeSync, constants, fchownSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ReadStream } from 'node:tty';
import { keepFromChildren } from './inherited.ts';

export interface Size {
  readonly cols: number;
  readonly rows: number;
}

export interface Pty {
  /** The end of the work: to be its standard input, output and error. We keep it open too, so that no hangup overtakes the output. */
  readonly slave: number;
  /** The same as a file: `/dev/pts/3`. */
  readonly path: string;
  /** What the work writes, as Buffers. */
  readonly output: ReadStream;
  resize(size: Size): void;
  /** Types as much as there is room for; gives the number of bytes. 0 when there is no room, -1 when the terminal is closed. */
  type(bytes: Uint8Array): number;
  /**
   * Reads what is there past `output`, which must be flowing and empty. True when nobody else has the terminal open any more,
   * and so nothing will come; false when somebody has, or `enough()` says to stop.
   */
  readToEnd(take: (chunk: Uint8Array) => void, enough: () => boolean): boolean;
  /** Closes both ends. Safe twice. Resolves when they are closed. */
  close(): Promise<void>;
}

interface Native {
  open(cols: number, rows: number): { readonly master: number; readonly slave: number; readonly pty: string };
  resize(fd: number, cols: number, rows: number): void;
}

/** The kernel keeps sizes in 16 bits; 0 means unknown to programs. */
const sizeMax = 65_535;
const readBytes = 64 << 10;
const ourEnd = constants.O_RDWR | constants.O_NOCTTY;

/** Loads what opens terminals. Throws when node-pty could not be built on this machine. */
export function loadTerminals(): (size: Size, owner?: number) => Pty {
  const { native } = createRequire(import.meta.url)('node-pty') as { readonly native?: Native };
  if (native === undefined) throw new Error('this version of node-pty has no native part to open terminals with');
  return (size, owner) => openPty(native, size, owner);
}

function openPty(native: Native, size: Size, owner: number | undefined): Pty {
  const { cols, rows } = bounded(size);
  const { master, slave: inheritable, pty: path } = native.open(cols, rows);
  const forget = keepFromChildren(master);
  const output = new ReadStream(master);
  let slave = -1;
  try {
    // Opened anew: node-pty's is non-blocking, which programs do not expect of their input, and not close-on-exec.
    slave = openSync(path, ourEnd);
    if (owner !== undefined) fchownSync(slave, owner, fstatSync(slave).gid);
  } catch (error) {
    output.destroy();
    forget();
    throw error;
  } finally {
    closeSync(inheritable);
  }
  output.on('error', () => {});
  const closed = new Promise<void>((resolve) => { output.once('close', resolve); });
  const closeSlave = (): void => {
    if (slave >= 0) closeSync(slave);
    slave = -1;
  };
  return {
    get slave() { return slave; },
    path,
    output,
    resize(wanted) {
      if (output.destroyed) return;
      const next = bounded(wanted);
      native.resize(master, next.cols, next.rows);
    },
    type: (bytes) => (output.destroyed ? -1 : tryWrite(master, bytes)),
    readToEnd(take, enough) {
      if (output.destroyed) return true;
      // All in one turn, and read by ourselves: only so is the hangup seen after the last byte.
      closeSlave();
      const end = readAll(master, take, enough);
      if (!end) slave = openSync(path, ourEnd);
      return end;
    },
    async close() {
      closeSlave();
      forget();
      output.destroy();
      await closed;
    },
  };
}

export function bounded({ cols, rows }: Size): Size {
  const bound = (value: number): number => Math.min(sizeMax, Math.max(1, Math.trunc(value) || 1));
  return { cols: bound(cols), rows: bound(rows) };
}

function tryWrite(fd: number, bytes: Uint8Array): number {
  try {
    return writeSync(fd, bytes);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? 0 : -1;
  }
}

/** True at the end (EIO: every other end is closed), false when there is no more for now. */
function readAll(fd: number, take: (chunk: Uint8Array) => void, enough: () => boolean): boolean {
  while (!enough()) {
    const chunk = Buffer.allocUnsafe(readBytes);
    try {
      const bytes = readSync(fd, chunk);
      if (bytes === 0) return true;
      take(bytes * 2 < readBytes ? Buffer.from(chunk.subarray(0, bytes)) : chunk.subarray(0, bytes));
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'EAGAIN';
    }
  }
  return false;
}
