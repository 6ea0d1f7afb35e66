// How what a run says is shown: output on stdout, status on stderr.

import type { CallResult, Item } from '../../../protocol/client.ts';
import type { Painter } from '../paint.ts';
import { describeItem, describeResult } from './status.ts';

export interface View {
  /** What stdout gets for it; undefined: nothing. */
  output(item: Item): string | undefined;
  /** What stderr says of it, without a newline; undefined: nothing. */
  status(item: Item): string | undefined;
  /** Puts a status line on stderr, for views that have something standing there. */
  say?(line: string): void;
  /** What stands below everything until it is told otherwise, such as how much is sent by now. */
  progress?(text: string | undefined): void;
  /** What stands on the terminal is complete: everything comes below it from now on. */
  end?(): void;
  /** What stdout gets last. */
  last?(result: CallResult): string | undefined;
  /** What stderr says at the end. */
  conclude(result: CallResult, paint: Painter): readonly string[];
}

/** Lines, or the chunks of a terminal, as they are. */
export const plainView: View = {
  output(item) {
    if ('line' in item) return `${item.line}\n`;
    return 'chunk' in item ? item.chunk : undefined;
  },
  status: describeItem,
  conclude: describeResult,
};
