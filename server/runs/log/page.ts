// Reads a piece of a log back from the files of a segment, as the same items that live watchers get.

import { wholeCharacters } from './characters.ts';
import { turnOver } from '../../support/turnover.ts';
import { countLines } from './frames.ts';
import type { Item } from './item.ts';
import { lineEnd, newline } from './lines.ts';
import type { Position } from './position.ts';

const pageBytes = { lines: 256 << 10, raw: 64 << 10 };
const eventsPageBytes = 64 << 10;
const terminator = Uint8Array.of(newline);

/** `lines`: whole lines only. `raw`: bytes as they are, cut between characters. */
export type Shape = 'lines' | 'raw';

export interface PageWish {
  /** In shape `lines`, where a line begins. */
  readonly from: Position;
  /** Nothing beyond this is read. */
  readonly until: Position;
  readonly shape: Shape;
  /** In shape `lines`, longer ones are cut: a terminal's lines have no bound in the file. Infinity: they were cut before they were stored. */
  readonly lineBytesMax: number;
  /** Nothing will come after `until`: an unterminated last line is a line. */
  readonly final: boolean;
  /** About how much is to be read at once; more when a line is longer. Absent: as much as is fast. */
  readonly bytesMax?: number;
}

/** A piece of a log, by the bytes of the whole. Fewer are given where it ends. */
export interface Readable {
  readLines(from: number, length: number): Promise<Buffer>;
  readEvents(from: number, length: number): Promise<Buffer>;
}

export interface StoredEvent {
  readonly json: Uint8Array;
  readonly type: string;
  /** Lines before it, and in a terminal's log bytes before it. */
  readonly at: number;
  readonly byte?: number;
}

/**
 * The next items after `from`, at least one unless there is nothing (or, in shape `lines`, no whole line) before `until`. A line has a bound,
 * so a page that holds no line end is read again twice as large.
 */
export async function readPage(files: Readable, wish: PageWish): Promise<readonly Item[]> {
  const { from, until } = wish;
  const events = parseEvents(await files.readEvents(from.eventByte, Math.min(until.eventByte - from.eventByte, eventsPageBytes)));
  const eventBytes = events.reduce((sum, event) => sum + event.json.length + 1, 0);
  const allEvents = from.eventByte + eventBytes >= until.eventByte;
  let wanted = Math.min(until.byte - from.byte, pageBytes[wish.shape], wish.bytesMax ?? Infinity);
  for (;;) {
    const bytes = await files.readLines(from.byte, wanted);
    turnOver(bytes.length);
    const atEnd = from.byte + bytes.length >= until.byte;
    const whole = wholeBytes(bytes, wish, atEnd);
    const items = merge(wish, bytes.subarray(0, whole), { events, allEvents, atEnd: atEnd && whole === bytes.length });
    if (items.length > 0 || atEnd || bytes.length < wanted) return items;
    wanted = Math.min(until.byte - from.byte, wanted * 2);
  }
}

/** How many of the bytes can be told already. */
function wholeBytes(bytes: Uint8Array, { shape, final, lineBytesMax }: PageWish, atEnd: boolean): number {
  if (atEnd && (final || shape === 'raw')) return bytes.length;
  return shape === 'raw' ? wholeCharacters(bytes) : wholeLines(bytes, lineBytesMax);
}

function wholeLines(bytes: Uint8Array, lineBytesMax: number): number {
  if (bytes.length <= lineBytesMax) return bytes.lastIndexOf(newline) + 1;
  let whole = 0;
  for (let end = lineEnd(bytes, 0, lineBytesMax); end !== -1; end = lineEnd(bytes, end, lineBytesMax)) whole = end;
  return whole;
}

/** Of whole events; an unfinished last one is left out. */
export function parseEvents(bytes: Buffer): readonly StoredEvent[] {
  const events: StoredEvent[] = [];
  for (let start = 0, end = bytes.indexOf(newline); end !== -1; start = end + 1, end = bytes.indexOf(newline, start)) {
    const json = bytes.subarray(start, end);
    const { type, at, byte } = JSON.parse(json.toString('utf8')) as { type: string; at: number; byte?: number };
    events.push(byte === undefined ? { json, type, at } : { json, type, at, byte });
  }
  return events;
}

interface Found {
  readonly events: readonly StoredEvent[];
  /** There is no event after these before the end of the page's reach. */
  readonly allEvents: boolean;
  readonly atEnd: boolean;
}

/** Lines and events in the order they came: an event stands behind the `at` lines before it. */
function merge(wish: PageWish, bytes: Buffer, found: Found): readonly Item[] {
  const items: Item[] = [];
  let place = wish.from;
  let used = 0;
  const take = (length: number): void => {
    for (const part of wish.shape === 'raw' ? [bytes.subarray(used, used + length)] : parts(bytes.subarray(used, used + length), wish.lineBytesMax)) {
      const item = itemOf(part, place, wish.shape);
      if (item !== undefined) items.push(item);
      place = item?.end ?? place;
    }
    used += length;
  };
  for (const event of found.events) {
    const before = wish.shape === 'raw' && event.byte !== undefined ? event.byte - place.byte : bytesOfLines(bytes, used, event.at - place.line, wish.lineBytesMax);
    if (before === undefined || used + before > bytes.length) {
      take(bytes.length - used);
      // Its lines come with the next page, unless the files end without them.
      if (!found.atEnd) return items;
    } else {
      take(before);
    }
    const end = { ...place, seq: place.seq + 1, eventByte: place.eventByte + event.json.length + 1 };
    items.push({ type: 'event', start: place, end, json: event.json });
    place = end;
  }
  // Behind the last event of a cut page an unread event may stand anywhere; its lines come with the next page.
  if (found.allEvents) take(bytes.length - used);
  return items;
}

/** Whole lines together; a line that is cut, and a last one without its newline, at the end of a part. */
function* parts(bytes: Uint8Array, lineBytesMax: number): Generator<Uint8Array> {
  let from = 0;
  let end = bytes.length > lineBytesMax ? lineEnd(bytes, 0, lineBytesMax) : -1;
  for (; end !== -1; end = lineEnd(bytes, end, lineBytesMax)) {
    if (bytes[end - 1] === newline) continue;
    yield bytes.subarray(from, end);
    from = end;
  }
  yield bytes.subarray(from);
}

function itemOf(bytes: Uint8Array, start: Position, shape: Shape): Item | undefined {
  if (bytes.length === 0) return undefined;
  // An unterminated line that becomes one is framed like any other.
  const open = shape === 'lines' && bytes.at(-1) !== newline;
  const end = { ...start, line: start.line + countLines(bytes) + (open ? 1 : 0), byte: start.byte + bytes.length };
  return { type: shape, start, end, pieces: open ? [bytes, terminator] : [bytes] };
}

/** How many bytes `count` lines from `start` take; undefined when they are not all there. */
function bytesOfLines(bytes: Uint8Array, start: number, count: number, lineBytesMax: number): number | undefined {
  let end = start;
  for (let i = 0; i < count; i++) {
    const next = bytes.length > lineBytesMax ? lineEnd(bytes, end, lineBytesMax) : bytes.indexOf(newline, end) + 1;
    if (next <= 0) return undefined;
    end = next;
  }
  return end - start;
}
