// The JSON text of an event of a log.

import type { Json } from '../../../protocol/record.ts';

/** An event larger than this is cut down to its type: readers page through events, and a page must hold one. */
const eventBytesMax = 32 << 10;
const eventTypeCharsMax = 256;

/** What the log says of itself. An event of somebody else that had such a type would make the log unreadable after a crash. */
const ownTypes: ReadonlySet<string> = new Set(['stream', 'cut', 'unterminated', 'truncated', 'discarded']);

export interface EventPlace {
  readonly seq: number;
  /** Lines before it. */
  readonly at: number;
  /** In a terminal's log, bytes before it. */
  readonly byte?: number;
}

export function encodeEvent(place: EventPlace, type: string, facts: Readonly<Record<string, Json>>): Uint8Array {
  const head = { ...place, type: type.slice(0, eventTypeCharsMax) };
  // Twice `head`: it comes first, and no fact takes its place.
  const full = Buffer.from(JSON.stringify({ ...head, ...facts, ...head }));
  return full.length <= eventBytesMax ? full : Buffer.from(JSON.stringify({ ...head, shortened: true }));
}

/** The type of an event that is not the log's own. */
export function foreignType(type: string): string {
  return ownTypes.has(type) ? `call:${type}` : type;
}
