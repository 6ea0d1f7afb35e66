// Decides how the items of a run are shown: output on stdout, status on stderr.

import type { ClientResult, Item } from '../../../protocol/client/client.ts';
import type { Painter } from '../colors.ts';
import { describeItem, describeResult } from './status.ts';

export interface View {
  /** Returns the text for stdout; undefined for none. */
  output(item: Item): string | undefined;
  /** Returns the line for stderr, without a newline; undefined for none. */
  status(item: Item): string | undefined;
  /** Prints a status line; only for views that draw on the terminal themselves. */
  printStatus?(line: string): void;
  /** Shows a text below everything else, such as the bytes sent so far; undefined removes it. */
  progress?(text: string | undefined): void;
  /** Stops drawing: later output appears below. Idempotent. */
  end?(): void;
  /** Returns the last text for stdout. */
  footer?(result: ClientResult): string | undefined;
  /** Returns the last lines for stderr. */
  summary(result: ClientResult, paint: Painter): readonly string[];
}

/** Prints lines, or the chunks of a terminal, unchanged. */
export const plainView: View = {
  output(item) {
    if ('line' in item) return `${item.line}\n`;
    return 'chunk' in item ? item.chunk : undefined;
  },
  status: describeItem,
  summary: describeResult,
};
