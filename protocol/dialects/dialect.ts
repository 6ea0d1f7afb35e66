// Interface of a dialect: reads the client's binary frames and encodes the messages that the client understands.

import type { SessionEndingName } from '../close-codes.ts';
import type { ClientMessage, GapMessage, InputMessage, NoticeMessage, Result, RunAnnouncement } from '../messages.ts';

export const dialectNames = ['v1', 'pow-1', 'distillery.v2'] as const;
export type DialectName = (typeof dialectNames)[number];

/**
 * `lines`: a text frame is one line without its terminator. `raw`: a text frame is a chunk of bytes, unchanged.
 * `as-run`: raw for terminals, lines otherwise.
 */
export type TextForm = 'lines' | 'raw' | 'as-run';

export interface Dialect {
  readonly name: DialectName;
  /** Parses a binary frame. Never throws; returns `invalid-message` for a frame that it cannot read. */
  read(bytes: Uint8Array): ClientMessage;
  /** Encodes the result for this dialect. `ending` is the reason why the session ends. */
  result(result: Result, ending: SessionEndingName): Uint8Array;
  /** Returns the close code that follows the result. */
  closeCode(ending: SessionEndingName): number;
  /**
   * Encodes the announcement of a run. This and the following methods are absent if the dialect has no such message;
   * nothing is sent then.
   */
  readonly announce?: (message: RunAnnouncement) => Uint8Array;
  readonly credit?: (message: InputMessage) => Uint8Array;
  /** Builds the frame of an event from the JSON text in the log. */
  readonly event?: (json: Uint8Array) => Uint8Array;
  readonly gap?: (message: GapMessage) => Uint8Array;
  readonly notice?: (message: NoticeMessage) => Uint8Array;
  /** Form of output and input in text frames. */
  readonly text: TextForm;
  /** True if binary frames can carry bytes of input and output (`data-frame.ts`). */
  readonly dataFrames: boolean;
  /** True if a second cancel skips the rest of the grace. False where cancel is documented as idempotent. */
  readonly secondCancelForces: boolean;
}
