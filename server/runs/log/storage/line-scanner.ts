// Scans the lines and events of a segment from the start of a line.

import { lineEnd, newline } from '../text/line-boundaries.ts';
import { parseEvents, type SegmentReader, type StoredEvent } from './read-page.ts';

const pageBytes = 256 << 10;
const eventsPageBytes = 64 << 10;

export interface ScanRange {
  readonly line: number;
  readonly byte: number;
  /** Reads nothing beyond this byte. */
  readonly until: number;
  /** Longer lines are cut. Infinity: long lines were cut before they were stored. */
  readonly lineBytesMax: number;
}

export class LineScanner {
  /** Number of lines before the present position. */
  line: number;
  /** Number of bytes before the present position. */
  byte: number;
  readonly #files: SegmentReader;
  readonly #until: number;
  readonly #lineBytesMax: number;
  /** The bytes that were read last. They start at position `byte - #used`. */
  #page: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(files: SegmentReader, { line, byte, until, lineBytesMax }: ScanRange) {
    this.line = line;
    this.byte = byte;
    this.#files = files;
    this.#until = until;
    this.#lineBytesMax = lineBytesMax;
  }

  /**
   * Advances past line number `line`, counted from the start of the log. If there are fewer whole lines, stops after
   * the last one and returns false.
   */
  async advanceTo(line: number): Promise<boolean> {
    while (this.line < line) {
      this.#scanPage(line);
      if (this.line < line && !(await this.#readMore())) return false;
    }
    return true;
  }

  #scanPage(line: number): void {
    let at = this.#used;
    for (; this.line < line; this.line++) {
      const end =
        this.#lineBytesMax === Infinity
          ? this.#page.indexOf(newline, at) + 1
          : lineEnd(this.#page, at, this.#lineBytesMax);
      if (end <= 0) break;
      at = end;
    }
    this.byte += at - this.#used;
    this.#used = at;
  }

  /**
   * Reads at least as many bytes as it already has of the line, so a long line takes linear time. Returns false at the
   * end.
   */
  async #readMore(): Promise<boolean> {
    const rest = this.#page.subarray(this.#used);
    const from = this.byte + rest.length;
    const bytes = Math.min(this.#until - from, Math.max(pageBytes, rest.length));
    const more = await this.#files.readLines(from, Buffer.allocUnsafe(bytes));
    this.#page = rest.length === 0 ? more : Buffer.concat([rest, more]);
    this.#used = 0;
    return more.length > 0;
  }
}

/** Yields whole events from a position on. */
export async function* eachEvent(files: SegmentReader, from: number, until: number): AsyncGenerator<StoredEvent> {
  for (let at = from; at < until; ) {
    const events = parseEvents(await files.readEvents(at, Buffer.allocUnsafe(Math.min(until - at, eventsPageBytes))));
    if (events.length === 0) return;
    for (const event of events) {
      yield event;
      at += event.json.length + 1;
    }
  }
}
