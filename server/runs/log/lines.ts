// Where a line ends: at its newline, or where it has to be cut because it is longer than the bound.

export const newline = 0x0a;
const carriageReturn = 0x0d;

/**
 * The place behind the line that begins at `start`: behind its `\n`, or, when more than `lineBytesMax` bytes come before that, where it is cut,
 * which is never inside a character. -1 while neither can be told. Depends on the line alone, not on how much of what follows is there.
 */
export function lineEnd(bytes: Uint8Array, start: number, lineBytesMax: number): number {
  // A line at the bound may still be followed by `\r\n`, which do not count.
  const line = bytes.subarray(start, start + lineBytesMax + 2);
  const at = line.indexOf(newline);
  if (contentLength(line, at === -1 ? line.length : at) > lineBytesMax) return start + characterStart(line, lineBytesMax);
  return at === -1 ? -1 : start + at + 1;
}

/** Bytes of a line without `\n` or `\r\n`; `end` is what `lineEnd` gave. */
export function contentBytes(bytes: Uint8Array, start: number, end: number): number {
  return bytes[end - 1] === newline ? contentLength(bytes.subarray(start, end), end - start - 1) : end - start;
}

/** The last place not after `at` where a UTF-8 character may start; `at` itself in bytes that are not UTF-8. */
export function characterStart(bytes: Uint8Array, at: number): number {
  for (let back = 0; back < 4 && back < at; back++) {
    if ((bytes[at - back]! & 0xc0) !== 0x80) return at - back;
  }
  return at;
}

function contentLength(line: Uint8Array, length: number): number {
  return length > 0 && line[length - 1] === carriageReturn ? length - 1 : length;
}
