// Finds places where UTF-8 text may be cut without splitting a character.

/** Returns the number of bytes before an incomplete character at the end. */
export function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= 4 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/**
 * Returns the last bytes of a text, at most `bytesMax`, without an incomplete character at the start or end of the
 * result.
 */
export function lastCharacters(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const end = wholeCharacters(bytes);
  let from = Math.max(0, end - bytesMax);
  if (from > 0) while (from < end && (bytes[from]! & 0xc0) === 0x80) from++;
  return bytes.subarray(from, end);
}
