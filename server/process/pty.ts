// Pseudo-terminal of a run: resizes it, reads it to the end, and writes to it without blocking.
//
// Uses only the native part of node-pty 1.1, which opens the pair of descriptors. The JavaScript classes of node-pty
// would lose output: libuv treats a hangup as the end of output, and node-pty closes 200 ms after the exit. They would
// also use a whole core while a program does not read. A program that they start as another user would keep the groups
// of root.

import { closeSync, constants, fchownSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ReadStream } from 'node:tty';
import { hideFromChildren } from './procfs/inherited-fds.ts';

export interface TerminalSize {
  readonly cols: number;
  readonly rows: number;
}

export interface Pty {
  /**
   * Descriptor for stdin, stdout and stderr of the program. The gateway keeps the descriptor open as well; otherwise a
   * hangup could end the output before its last byte.
   */
  readonly slave: number;
  /** Path of the same terminal: `/dev/pts/3`. */
  readonly path: string;
  /** Output of the program, as a stream of Buffers. */
  readonly output: ReadStream;
  resize(size: TerminalSize): void;
  /**
   * Writes as many bytes as the terminal accepts and returns their number. Returns 0 when the terminal's buffer is
   * full, -1 when the terminal is closed.
   */
  write(bytes: Uint8Array): number;
  /**
   * Reads what remains after `output`, which must be flowing and empty. Returns true when no other process has the
   * terminal open, so no more output can come. Returns false otherwise, or when `shouldStop()` returns true.
   */
  readToEnd(onChunk: (chunk: Uint8Array) => void, shouldStop: () => boolean): boolean;
  /** Closes both ends. Resolves when they are closed. Idempotent. */
  close(): Promise<void>;
}

interface NativePty {
  open(cols: number, rows: number): { readonly master: number; readonly slave: number; readonly pty: string };
  resize(fd: number, cols: number, rows: number): void;
}

/** Maximum number of columns or rows: the kernel stores 16 bits. Programs take 0 for "unknown". */
const sizeMax = 65_535;
const readBytes = 64 << 10;
const openFlags = constants.O_RDWR | constants.O_NOCTTY;

/** Loads the function that opens terminals. Throws if node-pty is not built for this machine. */
export function loadPty(): (size: TerminalSize, owner?: number) => Pty {
  const { native } = createRequire(import.meta.url)('node-pty') as { readonly native?: NativePty };
  if (native === undefined) throw new Error('this version of node-pty has no native module; install version 1.1');
  return (size, owner) => openPty(native, size, owner);
}

function openPty(native: NativePty, size: TerminalSize, owner: number | undefined): Pty {
  const { cols, rows } = clampSize(size);
  const { master, slave: inheritable, pty: path } = native.open(cols, rows);
  const unregister = hideFromChildren(master);
  const output = new ReadStream(master);
  let slave = -1;
  try {
    // Reopen the terminal. The descriptor from node-pty is non-blocking, which programs do not expect of stdin, and
    // children inherit it.
    slave = openSync(path, openFlags);
    if (owner !== undefined) fchownSync(slave, owner, fstatSync(slave).gid);
  } catch (error) {
    output.destroy();
    unregister();
    throw error;
  } finally {
    closeSync(inheritable);
  }
  output.on('error', () => {});
  const closed = new Promise<void>((resolve) => {
    output.once('close', resolve);
  });
  const closeSlave = (): void => {
    if (slave >= 0) closeSync(slave);
    slave = -1;
  };
  return {
    get slave() {
      return slave;
    },
    path,
    output,
    resize(newSize) {
      if (output.destroyed) return;
      const clamped = clampSize(newSize);
      native.resize(master, clamped.cols, clamped.rows);
    },
    write: (bytes) => (output.destroyed ? -1 : tryWrite(master, bytes)),
    readToEnd(onChunk, shouldStop) {
      if (output.destroyed) return true;
      // Read synchronously in one event-loop turn; otherwise the stream could see the hangup before the last byte.
      closeSlave();
      const end = readAvailable(master, onChunk, shouldStop);
      if (!end) slave = openSync(path, openFlags);
      return end;
    },
    async close() {
      closeSlave();
      unregister();
      output.destroy();
      await closed;
    },
  };
}

export function clampSize({ cols, rows }: TerminalSize): TerminalSize {
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

/** Returns true at the end (EIO: all other ends are closed), false if there is no more output for now. */
function readAvailable(fd: number, onChunk: (chunk: Uint8Array) => void, shouldStop: () => boolean): boolean {
  while (!shouldStop()) {
    const chunk = Buffer.allocUnsafe(readBytes);
    try {
      const bytes = readSync(fd, chunk);
      if (bytes === 0) return true;
      onChunk(bytes * 2 < readBytes ? Buffer.from(chunk.subarray(0, bytes)) : chunk.subarray(0, bytes));
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'EAGAIN';
    }
  }
  return false;
}
