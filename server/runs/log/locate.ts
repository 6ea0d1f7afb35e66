// From a cursor, which is a number, to the place in the files that it means.

import type { LogFiles } from './files.ts';
import type { Mark } from './mark.ts';
import type { Shape } from './page.ts';
import { beginning, type Position } from './position.ts';
import type { SegmentFiles } from './segment.ts';
import { eachEvent, LineWalk } from './walk.ts';

export interface Sought {
  /** Lines, of shape `raw` bytes, that come before the place. Not more than there are before `until`. */
  readonly after: number;
  /** Events up to this one come before it too. */
  readonly seq: number;
  readonly shape: Shape;
  readonly until: Position;
}

export interface Found {
  readonly place: Position;
  /** The last event before it that says which stream and which part of the run lines come from. Absent: what comes is plain stdout, or says so itself. */
  readonly told?: Uint8Array;
}

/**
 * Where the segments are gone that the place is in, a place before all that are there. No event before the last mark is looked at: what was said before that is
 * said again behind it.
 */
export async function locate(files: LogFiles, sought: Sought): Promise<Found> {
  const { after, until } = sought;
  // What follows line `after` without being a line may be in the segment before the one that begins there.
  const number = await files.numberAt((start) => reached(start, sought) < after);
  const unit = sought.shape === 'raw' ? 'byte' : 'line';
  if (number === undefined) return { place: after < until[unit] ? { ...beginning, [unit]: after } : until };
  const start = await files.start(number);
  if (start.place[unit] > after) return { place: { ...beginning, [unit]: after } };
  const end = (await files.endOf(number)) ?? until;
  const found = await files.use(number, (segment) => locateIn(segment, { ...sought, until: end }));
  return pastSegment(files, sought, { number, found });
}

/** Where a segment ends, events that come before the place may be in the next one. */
async function pastSegment(files: LogFiles, sought: Sought, { number, found }: { readonly number: number; readonly found: Found }): Promise<Found> {
  const { place } = found;
  const next = await files.numberAt((start) => start.place.byte <= place.byte && start.place.eventByte <= place.eventByte);
  if (next === undefined || next <= number || place.seq >= sought.seq) return found;
  const end = (await files.endOf(next)) ?? sought.until;
  const further = await files.use(next, (segment) => behindEvents(segment, { ...sought, until: end }, place));
  return pastSegment(files, sought, { number: next, found: { ...found, ...further } });
}

async function locateIn(files: SegmentFiles, sought: Sought): Promise<Found> {
  const { after, until, shape } = sought;
  const mark = await files.lastMark((candidate) => reached(candidate, sought) < after);
  const { line, byte } = mark.place;
  if (shape === 'raw') return behindEvents(files, sought, { ...mark.place, byte: after });
  const walk = new LineWalk(files, { line, byte, until: until.byte, lineBytesMax: mark.shape === 'raw' ? mark.lineBytesMax : Infinity });
  // The last line before the end may be one that has no end of its own.
  const there = await walk.to(after);
  return behindEvents(files, sought, { ...mark.place, line: after, byte: there ? walk.byte : until.byte });
}

/** Past the events that come before the place. */
async function behindEvents(files: SegmentFiles, { after, seq, shape, until }: Sought, from: Position): Promise<Found> {
  let place = from;
  let told: Uint8Array | undefined;
  for await (const event of eachEvent(files, from.eventByte, until.eventByte)) {
    const at = shape === 'raw' ? event.byte ?? event.at : event.at;
    if (at > after || (at === after && place.seq >= seq)) break;
    place = { ...place, seq: place.seq + 1, eventByte: place.eventByte + event.json.length + 1 };
    if (event.type === 'stream') told = event.json;
  }
  return { place, ...(told !== undefined && { told }) };
}

function reached({ place, source }: Mark, { shape }: Sought): number {
  return shape === 'raw' ? source.stdout : place.line;
}
