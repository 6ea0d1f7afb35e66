// Truncates output at its limit, after the last whole line that fits.

import { newline } from './line-boundaries.ts';
import type { Region } from './line-splitter.ts';

/** Returns the size of a region as the work printed it, without added newlines. */
export function sourceBytes({ bytes, cut, unterminated }: Region): number {
  return bytes - (cut ? 1 : 0) - (unterminated ? 1 : 0);
}

/** Returns the whole lines of a region that fit into `bytesMax`. The region must be larger than that. */
export function linesWithin({ pieces }: Region, bytesMax: number): Region {
  const bytes = Buffer.concat(pieces, bytesMax);
  const whole = bytes.subarray(0, bytes.lastIndexOf(newline) + 1);
  let lines = 0;
  for (let end = whole.indexOf(newline); end !== -1; end = whole.indexOf(newline, end + 1)) lines++;
  return { pieces: [whole], lines, bytes: whole.length };
}
