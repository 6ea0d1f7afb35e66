// What a log is made, reopened and resumed with.

import type { Limits } from '../../../protocol/limits.ts';
import type { Shape } from './page.ts';

export type LogLimits = Pick<Limits, 'lineBytesMax' | 'tailBytesMax' | 'owedBytesMax' | 'segmentBytesMax' | 'outputBytesMax'>;

export interface LogOptions {
  readonly shape: Shape;
  readonly limits: LogLimits;
  /** Called once, when the disk refuses. */
  readonly onFailure: (error: Error) => void;
}

export interface ReopenOptions {
  readonly shape: Shape;
  /** Of a log of the first version, which does not say it itself. */
  readonly lineBytesMax: number;
  /** What the record says of the log. */
  readonly record: { readonly lines: number; readonly bytes: number };
}
