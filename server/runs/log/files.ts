// The three files of a log: `lines` (plain bytes, for `tail -f` too), `events` (JSON lines), `index` (a Position every 64 KiB or more).

import fs, { closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beginning, type Position } from './position.ts';

const writev = promisify(fs.writev);
const read = promisify(fs.read);
const fstat = promisify(fs.fstat) as (file: number) => Promise<fs.Stats>;
const ftruncate = promisify(fs.ftruncate) as (file: number, length: number) => Promise<void>;

/** Four doubles, little-endian: line, byte, seq, eventByte. Of a terminal, places where a line begins. */
const entryBytes = 32;
export const indexEveryBytes = 64 << 10;

/** At most this many buffers in one writev; the kernel takes 1024 (IOV_MAX). */
const piecesMax = 64;

export interface Owed {
  readonly lines: readonly Uint8Array[];
  readonly events: readonly Uint8Array[];
  readonly index: readonly Position[];
}

export interface Sizes {
  readonly bytes: number;
  readonly eventBytes: number;
}

export class LogFiles {
  readonly #lines: number;
  readonly #events: number;
  readonly #index: number;
  readonly #pending = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  private constructor(folder: string, flags: string) {
    const opened: number[] = [];
    try {
      for (const name of ['lines', 'events', 'index']) opened.push(openSync(join(folder, name), flags, 0o640));
    } catch (error) {
      for (const file of opened) closeSync(file);
      throw error;
    }
    [this.#lines, this.#events, this.#index] = opened as [number, number, number];
  }

  /**
   * New, empty files in a new folder. Synchronous, so that a run has its log from the first moment; it is four short system calls.
   * Throws when the folder exists already or cannot be made.
   */
  static create(folder: string): LogFiles {
    mkdirSync(folder, { mode: 0o750 });
    try {
      return new LogFiles(folder, 'ax+');
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** The files of a run, to read. Throws when there are none. */
  static read(folder: string): LogFiles {
    return new LogFiles(folder, 'r');
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Appends; the index last, so that it never points beyond what is there. One call at a time. Throws what the file system says. */
  append(owed: Owed): Promise<void> {
    return this.#during(() => this.#append(owed));
  }

  /**
   * After an append that failed: the log is to end at the last of these places that the files reach, and that is given; undefined when they
   * reach none. No append may follow.
   */
  cutBack(places: readonly Position[]): Promise<Position | undefined> {
    return this.#during(() => this.#cutBack(places));
  }

  readLines(from: number, length: number): Promise<Buffer> {
    return this.#during(() => readAt(this.#lines, from, length));
  }

  readEvents(from: number, length: number): Promise<Buffer> {
    return this.#during(() => readAt(this.#events, from, length));
  }

  sizes(): Promise<Sizes> {
    return this.#during(() => this.#sizes());
  }

  /** The last indexed place with no more than `line` lines before it. */
  find(line: number): Promise<Position> {
    return this.#during(() => this.#find(line));
  }

  /** Waits for what is under way: a number of a closed file may already be another file's. Safe twice; never rejects. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  #during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(new Error('the log is closed'));
    const going = work();
    this.#pending.add(going);
    return going.finally(() => this.#pending.delete(going));
  }

  async #append(owed: Owed): Promise<void> {
    await writeAll(this.#lines, owed.lines);
    await writeAll(this.#events, owed.events);
    if (owed.index.length > 0) await writeAll(this.#index, [encodeEntries(owed.index)]);
  }

  async #cutBack(places: readonly Position[]): Promise<Position | undefined> {
    const { bytes, eventBytes } = await this.#sizes();
    const last = places.findLast((place) => place.byte <= bytes && place.eventByte <= eventBytes);
    if (last === undefined) return undefined;
    await ftruncate(this.#lines, last.byte);
    await ftruncate(this.#events, last.eventByte);
    return last;
  }

  async #sizes(): Promise<Sizes> {
    const [lines, events] = await Promise.all([fstat(this.#lines), fstat(this.#events)]);
    return { bytes: lines.size, eventBytes: events.size };
  }

  async #find(line: number): Promise<Position> {
    // After a power cut the index may have reached the disk before the lines.
    const { bytes } = await this.#sizes();
    let low = 0;
    let high = Math.floor((await fstat(this.#index)).size / entryBytes);
    let best = beginning;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = decodeEntry(await readAt(this.#index, middle * entryBytes, entryBytes));
      if (entry.line <= line && entry.byte <= bytes) {
        best = entry;
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return best;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#pending);
    for (const file of [this.#lines, this.#events, this.#index]) closeAnyway(file);
  }
}

/** What was told to be written is written; a network file system may still complain when its file is closed, and that file is closed then too. */
function closeAnyway(file: number): void {
  try {
    closeSync(file);
  } catch {}
}

async function writeAll(file: number, pieces: readonly Uint8Array[]): Promise<void> {
  for (let from = 0; from < pieces.length; from += piecesMax) await writeSome(file, pieces.slice(from, from + piecesMax));
}

/** writev may write less than it was given, for instance when the disk fills up in the middle. */
async function writeSome(file: number, pieces: readonly Uint8Array[]): Promise<void> {
  for (let rest = pieces; rest.length > 0;) {
    const { bytesWritten } = await writev(file, rest);
    rest = behind(rest, bytesWritten);
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

async function readAt(file: number, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await read(file, buffer, filled, length - filled, position + filled);
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
