// Types of the options to create or resume a log, and of its complete segments.

import type { Limits } from '../../../protocol/limits.ts';
import type { LogFormat } from './storage/read-page.ts';

export type LogLimits = Pick<
  Limits,
  'lineBytesMax' | 'tailBytesMax' | 'pendingWriteBytesMax' | 'segmentBytesMax' | 'outputBytesMax'
>;

export interface LogForm {
  readonly format: LogFormat;
  /**
   * True if the bytes of both streams are stored as the work printed them, in the order of arrival. If false or absent,
   * a log of the format `raw` holds the bytes of a terminal, repaired to valid UTF-8.
   */
  readonly exact?: boolean;
}

export interface LogOptions extends LogForm {
  readonly limits: LogLimits;
  /** Called once, when the disk rejects a write. */
  readonly onFailure: (error: Error) => void;
}

/** A segment of an active log that is no longer written, so that retention may remove it. */
export interface ClosedSegment {
  readonly number: number;
  /** Size of its files. */
  readonly bytes: number;
  /**
   * Time of its end (`performance.now()`). For a segment of an earlier gateway process: the start of the present
   * process.
   */
  readonly closedMs: number;
}
