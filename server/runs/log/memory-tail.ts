// The newest entries of a log in memory, and the watchers to wake.
//
// It holds entries that are not yet on disk, and entries that watchers near the end share.

import { entryBytes, type LogEntry, releaseEntry } from './entry.ts';
import { beginning, comparePositions, type Position } from './position.ts';

/** Limits the number of entries besides their bytes, because a run that prints slowly has many small entries. */
const entriesMax = 8192;

/**
 * Entries are numbered from 0, and numbers are never used again. A watcher holds a number, not an entry, so a slow
 * watcher keeps nothing in memory.
 *
 * An entry stays until it is on disk. Events and encoded entries stay longer, up to the limit of the tail.
 */
export class MemoryTail {
  /** Functions to call when there may be new entries. */
  readonly watchers = new Set<() => void>();
  readonly #bytesMax: number;
  #entries: (LogEntry | undefined)[] = [];
  /** Number of the entry `#entries[#head]`. */
  #first = 0;
  #head = 0;
  /** Size of the entries that are written and still in memory. */
  readonly #bytes = { total: 0 };
  #written = beginning;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  push(entry: LogEntry): void {
    this.#entries.push(entry);
  }

  wakeWatchers(): void {
    for (const wake of this.watchers) wake();
  }

  /** Returns an entry; undefined if it is not in memory and has to be read from the files. */
  get(number: number): LogEntry | undefined {
    if (number < this.#first) return undefined;
    const entry = this.#entries[number - this.#first + this.#head];
    return entry === undefined || isReleased(entry) ? undefined : entry;
  }

  /** Returns the number of the entry that starts at `position`; undefined if none does. */
  find(position: Position): number | undefined {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (comparePositions(this.#entries[middle]!.start, position) < 0) low = middle + 1;
      else high = middle;
    }
    const entry = this.#entries[low];
    return entry !== undefined && comparePositions(entry.start, position) === 0
      ? low - this.#head + this.#first
      : undefined;
  }

  /** Start of the oldest entry; undefined if the tail is empty. */
  get start(): Position | undefined {
    return this.#entries[this.#head]?.start;
  }

  /**
   * Everything before `written` is on disk. Releases the output that no watcher has encoded, and the oldest entries
   * above the limit.
   */
  markWritten(written: Position): void {
    for (let i = this.#firstUnwritten(); i < this.#entries.length; i++) {
      const entry = this.#entries[i]!;
      if (comparePositions(entry.end, written) > 0) break;
      this.#retainOrRelease(entry);
    }
    this.#written = written;
    this.#trim();
  }

  /** Removes everything after `position`. It will never be on disk, so no other watcher may see it. */
  truncate(position: Position): void {
    while (this.#entries.length > this.#head && comparePositions(this.#entries.at(-1)!.end, position) > 0)
      this.#entries.pop();
    this.markWritten(position);
  }

  #firstUnwritten(): number {
    let i = this.#entries.length;
    while (i > this.#head && comparePositions(this.#entries[i - 1]!.end, this.#written) > 0) i--;
    return i;
  }

  #retainOrRelease(entry: LogEntry): void {
    if (entry.type !== 'event') {
      if (entry.encodings === undefined) return releaseEntry(entry);
      entry.tailBytes = this.#bytes;
    }
    this.#bytes.total += entryBytes(entry);
  }

  #trim(): void {
    for (let entry = this.#entries[this.#head]; entry !== undefined; entry = this.#entries[this.#head]) {
      if (comparePositions(entry.end, this.#written) > 0) break;
      if (!isReleased(entry) && this.#bytes.total <= this.#bytesMax && this.#entries.length - this.#head <= entriesMax)
        break;
      this.#bytes.total -= entryBytes(entry);
      if (entry.type !== 'event') releaseEntry(entry);
      this.#entries[this.#head++] = undefined;
      this.#first++;
    }
    if (this.#head < 1024) return;
    this.#entries.splice(0, this.#head);
    this.#head = 0;
  }
}

function isReleased(entry: LogEntry): boolean {
  return entry.type !== 'event' && entry.pieces.length === 0;
}
