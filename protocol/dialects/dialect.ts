// What tells one dialect from another: how a client's binary frame is read, and which of our messages it can be told.

import type { SessionEndingName } from '../close-codes.ts';
import type { ClientMessage, InputMessage, Result, RunAnnouncement } from '../messages.ts';

export const dialectNames = ['v1', 'distillery.v2'] as const;
export type DialectName = (typeof dialectNames)[number];

export interface Dialect {
  readonly name: DialectName;
  /** Never throws: what cannot be read is `junk`. */
  read(bytes: Uint8Array): ClientMessage;
  /** The result, in this dialect's words; `ending` is why the session ends. */
  result(result: Result, ending: SessionEndingName): Uint8Array;
  /** Absent: the dialect has no such message, and the client is not told. */
  readonly announce?: (message: RunAnnouncement) => Uint8Array;
  readonly credit?: (message: InputMessage) => Uint8Array;
  /** The frame of an event, given the event's JSON text as it stands in the log. */
  readonly event?: (json: Uint8Array) => Uint8Array;
  /** Terminal output comes as raw chunks, and input goes to a terminal as it is. Otherwise both are lines. */
  readonly rawTerminals: boolean;
  /** A second cancel skips the rest of the grace. Where cancel is documented as idempotent, it does nothing. */
  readonly hurries: boolean;
}
