// Encodes an event of a log as JSON.

import type { Json } from '../../../../protocol/run-record.ts';

/** A larger event is reduced to its type, because a page of events must be able to hold any event. */
const eventBytesMax = 32 << 10;
const eventTypeCharsMax = 256;

/** Event types of the log itself. Any other event with such a type would make the log unreadable after a crash. */
const reservedTypes: ReadonlySet<string> = new Set(['stream', 'cut', 'unterminated', 'truncated', 'discarded']);

export interface EventPosition {
  readonly seq: number;
  /** Number of lines before the event. */
  readonly at: number;
  /** Number of bytes before the event, in a log of the format `raw`. */
  readonly byte?: number;
}

export function encodeEvent(position: EventPosition, type: string, facts: Readonly<Record<string, Json>>): Uint8Array {
  const head = { ...position, type: type.slice(0, eventTypeCharsMax) };
  // Add `head` twice: it comes first, and `facts` cannot replace its fields.
  const full = Buffer.from(JSON.stringify({ ...head, ...facts, ...head }));
  return full.length <= eventBytesMax ? full : Buffer.from(JSON.stringify({ ...head, shortened: true }));
}

/** Prefixes the type of an event from outside the log if the log itself uses that type. */
export function namespaceEventType(type: string): string {
  return reservedTypes.has(type) ? `call:${type}` : type;
}
