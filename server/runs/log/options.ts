// What a log is made and resumed with.

import type { Limits } from '../../../protocol/limits.ts';
import type { Shape } from './page.ts';

export type LogLimits = Pick<Limits, 'lineBytesMax' | 'tailBytesMax' | 'owedBytesMax' | 'segmentBytesMax' | 'outputBytesMax'>;

export interface LogOptions {
  readonly shape: Shape;
  readonly limits: LogLimits;
  /** Called once, when the disk refuses. */
  readonly onFailure: (error: Error) => void;
}
