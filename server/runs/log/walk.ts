// A walk through the lines of a segment, from a place where one begins, and through its events.

import { lineEnd, newline } from './lines.ts';
import { parseEvents, type Readable, type StoredEvent } from './page.ts';

const pageBytes = 256 << 10;
const eventsPageBytes = 64 << 10;

export interface WalkFrom {
  readonly line: number;
  readonly byte: number;
  /** Nothing beyond this is read. */
  readonly until: number;
  /** Longer lines are cut; Infinity where that was done before they were stored. */
  readonly lineBytesMax: number;
}

export class LineWalk {
  /** Lines before the place that was reached. */
  line: number;
  /** Bytes before it. */
  byte: number;
  readonly #files: Readable;
  readonly #until: number;
  readonly #lineBytesMax: number;
  /** What was read and begins at `byte - #used`. */
  #page: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(files: Readable, { line, byte, until, lineBytesMax }: WalkFrom) {
    this.line = line;
    this.byte = byte;
    this.#files = files;
    this.#until = until;
    this.#lineBytesMax = lineBytesMax;
  }

  /** Goes behind that many lines, counted from the beginning of the log. False where there are fewer whole ones: then it stands behind the last of them. */
  async to(line: number): Promise<boolean> {
    while (this.line < line) {
      this.#goOn(line);
      if (this.line < line && !(await this.#readMore())) return false;
    }
    return true;
  }

  #goOn(line: number): void {
    let at = this.#used;
    for (; this.line < line; this.line++) {
      const end = this.#lineBytesMax === Infinity ? this.#page.indexOf(newline, at) + 1 : lineEnd(this.#page, at, this.#lineBytesMax);
      if (end <= 0) break;
      at = end;
    }
    this.byte += at - this.#used;
    this.#used = at;
  }

  /** At least twice what is there of the line, so that a long one is read in linear time. False where the end is reached. */
  async #readMore(): Promise<boolean> {
    const rest = this.#page.subarray(this.#used);
    const from = this.byte + rest.length;
    const more = await this.#files.readLines(from, Math.min(this.#until - from, Math.max(pageBytes, rest.length)));
    this.#page = rest.length === 0 ? more : Buffer.concat([rest, more]);
    this.#used = 0;
    return more.length > 0;
  }
}

/** The whole events from a place on. */
export async function* eachEvent(files: Readable, from: number, until: number): AsyncGenerator<StoredEvent> {
  for (let at = from; at < until;) {
    const events = parseEvents(await files.readEvents(at, Math.min(until - at, eventsPageBytes)));
    if (events.length === 0) return;
    for (const event of events) {
      yield event;
      at += event.json.length + 1;
    }
  }
}
