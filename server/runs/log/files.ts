// The three files of a log: `lines` (plain bytes, for `tail -f` too), `events` (JSON lines), `index` (a Position every 64 KiB).

import { open, mkdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { beginning, type Position } from './position.ts';

/** Four doubles, little-endian: line, byte, seq, eventByte. */
const entryBytes = 32;
export const indexEveryBytes = 64 << 10;

/** At most this many buffers in one writev; the kernel takes 1024 (IOV_MAX). */
const piecesMax = 64;

export interface Owed {
  readonly lines: readonly Uint8Array[];
  readonly events: readonly Uint8Array[];
  readonly index: readonly Position[];
}

export class LogFiles {
  readonly #lines: FileHandle;
  readonly #events: FileHandle;
  readonly #index: FileHandle;

  private constructor(lines: FileHandle, events: FileHandle, index: FileHandle) {
    this.#lines = lines;
    this.#events = events;
    this.#index = index;
  }

  /** New, empty files in a new folder. Throws when the folder exists already or cannot be made. */
  static async create(folder: string): Promise<LogFiles> {
    await mkdir(folder);
    return LogFiles.#open(folder, 'ax+');
  }

  /** The files of an ended run, to read. */
  static async read(folder: string): Promise<LogFiles> {
    return LogFiles.#open(folder, 'r');
  }

  static async #open(folder: string, flags: string): Promise<LogFiles> {
    const opened: FileHandle[] = [];
    try {
      for (const name of ['lines', 'events', 'index']) opened.push(await open(join(folder, name), flags, 0o640));
    } catch (error) {
      await Promise.all(opened.map((file) => file.close()));
      throw error;
    }
    return new LogFiles(opened[0]!, opened[1]!, opened[2]!);
  }

  /** Appends; the index last, so that it never points beyond what is there. One call at a time. Throws what the file system says. */
  async append(owed: Owed): Promise<void> {
    await writeAll(this.#lines, owed.lines);
    await writeAll(this.#events, owed.events);
    if (owed.index.length > 0) await writeAll(this.#index, [encodeEntries(owed.index)]);
  }

  async readLines(from: number, length: number): Promise<Buffer> {
    return readAt(this.#lines, from, length);
  }

  async readEvents(from: number, length: number): Promise<Buffer> {
    return readAt(this.#events, from, length);
  }

  async sizes(): Promise<{ bytes: number; eventBytes: number }> {
    const [lines, events] = await Promise.all([this.#lines.stat(), this.#events.stat()]);
    return { bytes: lines.size, eventBytes: events.size };
  }

  /** The last indexed position with no more than `line` lines before it. */
  async find(line: number): Promise<Position> {
    let low = 0;
    let high = Math.floor((await this.#index.stat()).size / entryBytes);
    let best = beginning;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = decodeEntry(await readAt(this.#index, middle * entryBytes, entryBytes));
      if (entry.line <= line) {
        best = entry;
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return best;
  }

  async close(): Promise<void> {
    await Promise.all([this.#lines.close(), this.#events.close(), this.#index.close()]);
  }
}

/** writev may write less than it was given, for instance when the disk fills up in the middle. */
async function writeAll(file: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  let rest = pieces;
  while (rest.length > 0) {
    const some = rest.slice(0, piecesMax);
    const { bytesWritten } = await file.writev(some);
    rest = [...behind(some, bytesWritten), ...rest.slice(some.length)];
  }
}

function behind(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const rest: Uint8Array[] = [];
  for (const piece of pieces) {
    if (skip < piece.length) rest.push(piece.subarray(skip));
    skip = Math.max(0, skip - piece.length);
  }
  return rest;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

function encodeEntries(entries: readonly Position[]): Buffer {
  const buffer = Buffer.alloc(entries.length * entryBytes);
  entries.forEach((entry, i) => {
    [entry.line, entry.byte, entry.seq, entry.eventByte].forEach((value, j) => buffer.writeDoubleLE(value, i * entryBytes + j * 8));
  });
  return buffer;
}

function decodeEntry(bytes: Buffer): Position {
  return { line: bytes.readDoubleLE(0), byte: bytes.readDoubleLE(8), seq: bytes.readDoubleLE(16), eventByte: bytes.readDoubleLE(24) };
}
