// Finds the end of a line: after its newline, or where it is cut because it is too long.

export const newline = 0x0a;
const carriageReturn = 0x0d;

/**
 * Returns the position after the line that begins at `start`: after its `\n`, or where a line longer than
 * `lineBytesMax` is cut. Returns -1 while the end is unknown. Never cuts a character.
 *
 * Depends only on the bytes of the line, not on how many bytes follow.
 */
export function lineEnd(bytes: Uint8Array, start: number, lineBytesMax: number): number {
  // A line of maximum length may be followed by `\r\n`, which does not count.
  const line = bytes.subarray(start, start + lineBytesMax + 2);
  const at = line.indexOf(newline);
  if (contentLength(line, at === -1 ? line.length : at) > lineBytesMax)
    return start + characterStart(line, lineBytesMax);
  return at === -1 ? -1 : start + at + 1;
}

/** Returns the length of a line without `\n` or `\r\n`. `end` is a result of `lineEnd`. */
export function contentBytes(bytes: Uint8Array, start: number, end: number): number {
  return bytes[end - 1] === newline ? contentLength(bytes.subarray(start, end), end - start - 1) : end - start;
}

/** Returns the last position up to `at` where a UTF-8 character may start; `at` itself if the bytes are not UTF-8. */
export function characterStart(bytes: Uint8Array, at: number): number {
  for (let back = 0; back < 4 && back < at; back++) {
    if ((bytes[at - back]! & 0xc0) !== 0x80) return at - back;
  }
  return at;
}

function contentLength(line: Uint8Array, length: number): number {
  return length > 0 && line[length - 1] === carriageReturn ? length - 1 : length;
}
