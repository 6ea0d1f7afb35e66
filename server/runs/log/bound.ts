// Where the output of a run ends that is longer than its bound: at the last whole line within.

import { newline } from './lines.ts';
import type { Region } from './splitter.ts';

/** Bytes of a region as the work printed them: a newline of ours does not count. */
export function sourceBytes({ bytes, cut, unterminated }: Region): number {
  return bytes - (cut ? 1 : 0) - (unterminated ? 1 : 0);
}

/** The whole lines of a region that take no more than `room`, which is less than all. */
export function linesWithin({ pieces }: Region, room: number): Region {
  const bytes = Buffer.concat(pieces, room);
  const whole = bytes.subarray(0, bytes.lastIndexOf(newline) + 1);
  let lines = 0;
  for (let end = whole.indexOf(newline); end !== -1; end = whole.indexOf(newline, end + 1)) lines++;
  return { pieces: [whole], lines, bytes: whole.length };
}
