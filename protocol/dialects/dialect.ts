// What tells one dialect from another: how a client's binary frame is read, and which of our messages it can be told.

import type { SessionEndingName } from '../close-codes.ts';
import type { ClientMessage, GapMessage, InputMessage, NoticeMessage, Result, RunAnnouncement } from '../messages.ts';

export const dialectNames = ['v1', 'pow-1', 'distillery.v2'] as const;
export type DialectName = (typeof dialectNames)[number];

/** `lines`: a text frame is a line without its terminator. `raw`: it is a chunk as it is. `as-run`: raw for terminals, lines for all else. */
export type TextForm = 'lines' | 'raw' | 'as-run';

export interface Dialect {
  readonly name: DialectName;
  /** Never throws: what cannot be read is `junk`. */
  read(bytes: Uint8Array): ClientMessage;
  /** The result, in this dialect's words; `ending` is why the session ends. */
  result(result: Result, ending: SessionEndingName): Uint8Array;
  /** The code of the Close that follows the result. */
  closeCode(ending: SessionEndingName): number;
  /** Absent: the dialect has no such message, and the client is not told. */
  readonly announce?: (message: RunAnnouncement) => Uint8Array;
  readonly credit?: (message: InputMessage) => Uint8Array;
  /** The frame of an event, given the event's JSON text as it stands in the log. */
  readonly event?: (json: Uint8Array) => Uint8Array;
  readonly gap?: (message: GapMessage) => Uint8Array;
  readonly notice?: (message: NoticeMessage) => Uint8Array;
  /** How output is told and input is taken: as lines, as bytes as they are, or as either, whichever the run has. */
  readonly text: TextForm;
  /** A second cancel skips the rest of the grace. Where cancel is documented as idempotent, it does nothing. */
  readonly hurries: boolean;
}
