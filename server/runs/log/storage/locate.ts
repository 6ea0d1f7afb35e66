// Converts a cursor to a position in the files of the log.

import { beginning, type Position } from '../position.ts';
import type { Checkpoint } from './checkpoint.ts';
import { eachEvent, LineScanner } from './line-scanner.ts';
import type { LogFormat } from './read-page.ts';
import type { SegmentFiles } from './segment.ts';
import type { SegmentSet } from './segment-set.ts';

export interface LocateQuery {
  /** The cursor: number of lines, or of bytes if the format is `raw`. It does not exceed `until`. */
  readonly after: number;
  /** Events up to this `seq` come before the position as well. */
  readonly seq: number;
  readonly format: LogFormat;
  readonly until: Position;
}

export interface LocateResult {
  readonly position: Position;
  /**
   * The last event before the position that names the source of lines. Absent: the next line is plain stdout, or a
   * later event names its source.
   */
  readonly sourceEvent?: Uint8Array;
}

/**
 * Returns the position of a cursor. If its segments were removed, the position is before all existing segments.
 *
 * Reads events only from the last checkpoint on, because the source event is repeated after each checkpoint.
 */
export async function locate(files: SegmentSet, query: LocateQuery): Promise<LocateResult> {
  const { after, until } = query;
  // Use a segment that begins before the cursor: events after line `after` may be at its end.
  const number = await files.findSegment((checkpoint) => unitsBefore(checkpoint, query) < after);
  const unit = query.format === 'raw' ? 'byte' : 'line';
  if (number === undefined) return { position: after < until[unit] ? { ...beginning, [unit]: after } : until };
  const start = await files.start(number);
  if (start.position[unit] > after) return { position: { ...beginning, [unit]: after } };
  const end = (await files.segmentEnd(number)) ?? until;
  const found = await files.withSegment(number, (segment) => locateInSegment(segment, { ...query, until: end }));
  return continueInNextSegment(files, query, { number, found });
}

/** If the position is the end of a segment, also skips events at the start of the next one. */
async function continueInNextSegment(
  files: SegmentSet,
  query: LocateQuery,
  { number, found }: { readonly number: number; readonly found: LocateResult },
): Promise<LocateResult> {
  const { position } = found;
  const next = await files.findSegment(
    (start) => start.position.byte <= position.byte && start.position.eventByte <= position.eventByte,
  );
  if (next === undefined || next <= number || position.seq >= query.seq) return found;
  const end = (await files.segmentEnd(next)) ?? query.until;
  const further = await files.withSegment(next, (segment) => skipEvents(segment, { ...query, until: end }, position));
  return continueInNextSegment(files, query, { number: next, found: { ...found, ...further } });
}

async function locateInSegment(files: SegmentFiles, query: LocateQuery): Promise<LocateResult> {
  const { after, until, format } = query;
  const checkpoint = await files.lastCheckpoint((candidate) => unitsBefore(candidate, query) < after);
  const { line, byte } = checkpoint.position;
  if (format === 'raw') return skipEvents(files, query, { ...checkpoint.position, byte: after });
  const scanner = new LineScanner(files, {
    line,
    byte,
    until: until.byte,
    lineBytesMax: checkpoint.format === 'raw' ? checkpoint.lineBytesMax : Infinity,
  });
  // If the last line has no terminator, the scanner stops before it, and the line ends at `until`.
  const reached = await scanner.advanceTo(after);
  return skipEvents(files, query, { ...checkpoint.position, line: after, byte: reached ? scanner.byte : until.byte });
}

/** Skips the events that come before the position, and remembers the last source among them. */
async function skipEvents(
  files: SegmentFiles,
  { after, seq, format, until }: LocateQuery,
  from: Position,
): Promise<LocateResult> {
  let position = from;
  let sourceEvent: Uint8Array | undefined;
  for await (const event of eachEvent(files, from.eventByte, until.eventByte)) {
    const at = format === 'raw' ? (event.byte ?? event.at) : event.at;
    if (at > after || (at === after && position.seq >= seq)) break;
    position = { ...position, seq: position.seq + 1, eventByte: position.eventByte + event.json.length + 1 };
    if (event.type === 'stream') sourceEvent = event.json;
  }
  return { position, ...(sourceEvent !== undefined && { sourceEvent }) };
}

function unitsBefore({ position, source }: Checkpoint, { format }: LocateQuery): number {
  return format === 'raw' ? source.stdout + source.stderr : position.line;
}
