// Reads a piece of a log back from its files, as the same items that live watchers get.

import type { LogFiles } from './files.ts';
import { countLines } from './frames.ts';
import type { Item } from './item.ts';
import type { Position } from './position.ts';

const pageBytes = { lines: 256 << 10, raw: 64 << 10 };
const eventsPageBytes = 64 << 10;
const newline = 0x0a;

/** `lines`: whole lines only. `raw`: bytes as they are, cut between characters. */
export type Shape = 'lines' | 'raw';

export interface PageWish {
  readonly from: Position;
  /** Nothing beyond this is read. */
  readonly until: Position;
  readonly shape: Shape;
  /** Nothing will come after `until`: an unterminated last line is a line. */
  readonly final: boolean;
}

interface StoredEvent {
  readonly json: Uint8Array;
  /** Lines before it, and in a terminal's log bytes before it. */
  readonly at: number;
  readonly byte?: number;
}

/**
 * The next items after `from`, at least one unless there is nothing (or, in shape `lines`, no whole line) before `until`. A line is never
 * longer than the bound it was cut by, so a page that holds no line end is read again twice as large.
 */
export async function readPage(files: LogFiles, wish: PageWish): Promise<readonly Item[]> {
  const { from, until } = wish;
  const events = parseEvents(await files.readEvents(from.eventByte, Math.min(until.eventByte - from.eventByte, eventsPageBytes)));
  const eventBytes = events.reduce((sum, event) => sum + event.json.length + 1, 0);
  const allEvents = from.eventByte + eventBytes >= until.eventByte;
  let wanted = Math.min(until.byte - from.byte, pageBytes[wish.shape]);
  for (;;) {
    const bytes = await files.readLines(from.byte, wanted);
    const atEnd = from.byte + bytes.length >= until.byte;
    const whole = wish.shape === 'lines' ? wholeLines(bytes, wish.final && atEnd) : wholeCharacters(bytes, atEnd);
    const items = merge(wish, bytes.subarray(0, whole), { events, allEvents, atEnd: atEnd && whole === bytes.length });
    if (items.length > 0 || atEnd || bytes.length < wanted) return items;
    wanted = Math.min(until.byte - from.byte, wanted * 2);
  }
}

function wholeLines(bytes: Uint8Array, final: boolean): number {
  return final ? bytes.length : bytes.lastIndexOf(newline) + 1;
}

function wholeCharacters(bytes: Uint8Array, atEnd: boolean): number {
  if (atEnd) return bytes.length;
  for (let back = 1; back <= 4 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

function parseEvents(bytes: Buffer): readonly StoredEvent[] {
  const events: StoredEvent[] = [];
  for (let start = 0, end = bytes.indexOf(newline); end !== -1; start = end + 1, end = bytes.indexOf(newline, start)) {
    const json = bytes.subarray(start, end);
    const { at, byte } = JSON.parse(json.toString('utf8')) as { at: number; byte?: number };
    events.push(byte === undefined ? { json, at } : { json, at, byte });
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
    if (length <= 0) return;
    const piece = bytes.subarray(used, used + length);
    const lines = countLines(piece) + (piece[length - 1] === newline || wish.shape === 'raw' ? 0 : 1);
    const end = { ...place, line: place.line + lines, byte: place.byte + length };
    // An unterminated line that becomes one is framed like any other.
    const pieces = lines > 0 && wish.shape === 'lines' && piece[length - 1] !== newline ? [piece, Uint8Array.of(newline)] : [piece];
    items.push({ type: wish.shape, start: place, end, pieces });
    place = end;
    used += length;
  };
  for (const event of found.events) {
    const before = wish.shape === 'raw' && event.byte !== undefined ? event.byte - place.byte : bytesOfLines(bytes, used, event.at - place.line);
    if (before === undefined || used + before > bytes.length) {
      if (!found.atEnd) {
        take(bytes.length - used);
        return items;
      }
      // The log ends with an unterminated line before this event.
      take(bytes.length - used);
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

/** How many bytes `count` lines from `start` take; undefined when they are not all there. */
function bytesOfLines(bytes: Uint8Array, start: number, count: number): number | undefined {
  let end = start;
  for (let i = 0; i < count; i++) {
    const at = bytes.indexOf(newline, end);
    if (at === -1) return undefined;
    end = at + 1;
  }
  return end - start;
}
