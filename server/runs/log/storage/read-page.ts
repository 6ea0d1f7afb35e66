// Reads entries from the files of a segment, equal to those that live watchers receive.

import { acquireBuffer, releaseBuffer } from '../../../support/buffer-pool.ts';
import { countLines } from '../../../support/kernel/line-kernel.ts';
import { type LogEntry, releaseEntry } from '../entry.ts';
import type { Position } from '../position.ts';
import { lineEnd, newline } from '../text/line-boundaries.ts';
import { wholeCharacters } from '../text/utf8.ts';

const pageBytes = { lines: 256 << 10, raw: 64 << 10 };
const eventsPageBytes = 64 << 10;
const terminator = Uint8Array.of(newline);

/** `lines`: whole lines only. `raw`: the stored bytes, cut only between characters. */
export type LogFormat = 'lines' | 'raw';

export interface PageRequest {
  /** Must be the start of a line if the format is `lines`. */
  readonly from: Position;
  /** Reads nothing beyond this position. */
  readonly until: Position;
  readonly format: LogFormat;
  /**
   * Longer lines are cut if the format is `lines`, because the file of a terminal contains lines of any length.
   * Infinity: long lines were cut before they were stored.
   */
  readonly lineBytesMax: number;
  /** True if nothing follows `until`. Then an unterminated last line counts as a line. */
  readonly final: boolean;
  /** Approximate size of the page, exceeded only by a longer line. Absent: an efficient default. */
  readonly bytesMax?: number;
}

/** Reads ranges by positions of the whole log. Returns fewer bytes at the end of the segment. */
export interface SegmentReader {
  readLines(from: number, into: Buffer): Promise<Buffer>;
  readEvents(from: number, into: Buffer): Promise<Buffer>;
}

/** Entries that were read together. */
export interface Page<E = LogEntry> {
  readonly entries: readonly E[];
  /**
   * Makes the memory of the entries and of their encodings reusable. The caller must not use the entries afterwards.
   * Optional: the garbage collector frees pages that are never released. Idempotent.
   */
  release(): void;
}

export interface StoredEvent {
  readonly json: Uint8Array;
  readonly type: string;
  /** Number of lines before the event. `byte`, in a log of the format `raw`, is the number of bytes before it. */
  readonly at: number;
  readonly byte?: number;
}

/**
 * Returns the next entries after `from`. The result is empty only if there is nothing, or no whole line, before
 * `until`.
 *
 * If a page contains no whole line, it is read again with twice the size.
 */
export async function readPage(files: SegmentReader, request: PageRequest): Promise<Page> {
  const { from, until } = request;
  const events = parseEvents(
    await files.readEvents(
      from.eventByte,
      Buffer.allocUnsafeSlow(Math.min(until.eventByte - from.eventByte, eventsPageBytes)),
    ),
  );
  const eventBytes = events.reduce((sum, event) => sum + event.json.length + 1, 0);
  const allEvents = from.eventByte + eventBytes >= until.eventByte;
  let bytesToRead = Math.min(until.byte - from.byte, pageBytes[request.format], request.bytesMax ?? Infinity);
  for (;;) {
    const buffer = acquireBuffer(bytesToRead);
    const bytes = await files.readLines(from.byte, buffer);
    const atEnd = from.byte + bytes.length >= until.byte;
    const completeLength = completeBytes(bytes, request, atEnd);
    const entries = mergeEntries(request, bytes.subarray(0, completeLength), {
      events,
      allEvents,
      atEnd: atEnd && completeLength === bytes.length,
    });
    if (entries.length > 0 || atEnd || bytes.length < bytesToRead) return createPage(entries, buffer);
    releaseBuffer(buffer);
    bytesToRead = Math.min(until.byte - from.byte, bytesToRead * 2);
  }
}

function createPage(entries: readonly LogEntry[], buffer: Buffer): Page {
  return {
    entries,
    release: () => {
      for (const entry of entries) if (entry.type !== 'event') releaseEntry(entry);
      releaseBuffer(buffer);
    },
  };
}

/** Returns how many of the bytes form whole lines or characters. */
function completeBytes(bytes: Uint8Array, { format, final, lineBytesMax }: PageRequest, atEnd: boolean): number {
  if (atEnd && (final || format === 'raw')) return bytes.length;
  return format === 'raw' ? wholeCharacters(bytes) : wholeLines(bytes, lineBytesMax);
}

function wholeLines(bytes: Uint8Array, lineBytesMax: number): number {
  if (bytes.length <= lineBytesMax) return bytes.lastIndexOf(newline) + 1;
  let whole = 0;
  for (let end = lineEnd(bytes, 0, lineBytesMax); end !== -1; end = lineEnd(bytes, end, lineBytesMax)) whole = end;
  return whole;
}

/** Parses whole events and ignores an incomplete last one. */
export function parseEvents(bytes: Buffer): readonly StoredEvent[] {
  const events: StoredEvent[] = [];
  for (let start = 0, end = bytes.indexOf(newline); end !== -1; start = end + 1, end = bytes.indexOf(newline, start)) {
    const json = bytes.subarray(start, end);
    const { type, at, byte } = JSON.parse(json.toString('utf8')) as { type: string; at: number; byte?: number };
    events.push(byte === undefined ? { json, type, at } : { json, type, at, byte });
  }
  return events;
}

interface PageEvents {
  readonly events: readonly StoredEvent[];
  /** True if no other event follows before the end of the range. */
  readonly allEvents: boolean;
  readonly atEnd: boolean;
}

/** Merges lines and events in order: an event follows the first `at` lines of the log. */
function mergeEntries(request: PageRequest, bytes: Buffer, found: PageEvents): readonly LogEntry[] {
  const entries: LogEntry[] = [];
  let position = request.from;
  let used = 0;
  const take = (length: number): void => {
    for (const part of request.format === 'raw'
      ? [bytes.subarray(used, used + length)]
      : splitCutLines(bytes.subarray(used, used + length), request.lineBytesMax)) {
      const entry = createEntry(part, position, request.format);
      if (entry !== undefined) entries.push(entry);
      position = entry?.end ?? position;
    }
    used += length;
  };
  for (const event of found.events) {
    const before =
      request.format === 'raw' && event.byte !== undefined
        ? event.byte - position.byte
        : byteLengthOfLines(bytes, used, event.at - position.line, request.lineBytesMax);
    if (before === undefined || used + before > bytes.length) {
      take(bytes.length - used);
      // `bytes` does not contain all lines before this event. If the files continue, a later page has the event.
      if (!found.atEnd) return entries;
    } else {
      take(before);
    }
    const end = { ...position, seq: position.seq + 1, eventByte: position.eventByte + event.json.length + 1 };
    entries.push({ type: 'event', start: position, end, json: event.json });
    position = end;
  }
  // If more events have to be read, one of them may belong between these lines, so the lines wait for the next page.
  if (found.allEvents) take(bytes.length - used);
  return entries;
}

/** Yields groups of whole lines. A cut line, or an unterminated last line, ends its group. */
function* splitCutLines(bytes: Uint8Array, lineBytesMax: number): Generator<Uint8Array> {
  let from = 0;
  let end = bytes.length > lineBytesMax ? lineEnd(bytes, 0, lineBytesMax) : -1;
  for (; end !== -1; end = lineEnd(bytes, end, lineBytesMax)) {
    if (bytes[end - 1] === newline) continue;
    yield bytes.subarray(from, end);
    from = end;
  }
  yield bytes.subarray(from);
}

function createEntry(bytes: Uint8Array, start: Position, format: LogFormat): LogEntry | undefined {
  if (bytes.length === 0) return undefined;
  // An unterminated last line gets a newline, so that encoders treat it like any other line.
  const unterminated = format === 'lines' && bytes.at(-1) !== newline;
  const end = {
    ...start,
    line: start.line + countLines([bytes]) + (unterminated ? 1 : 0),
    byte: start.byte + bytes.length,
  };
  return { type: format, start, end, pieces: unterminated ? [bytes, terminator] : [bytes] };
}

/** Returns the size of `count` lines from `start` in bytes; undefined if `bytes` contains fewer lines. */
function byteLengthOfLines(bytes: Uint8Array, start: number, count: number, lineBytesMax: number): number | undefined {
  let end = start;
  for (let i = 0; i < count; i++) {
    const next = bytes.length > lineBytesMax ? lineEnd(bytes, end, lineBytesMax) : bytes.indexOf(newline, end) + 1;
    if (next <= 0) return undefined;
    end = next;
  }
  return end - start;
}
