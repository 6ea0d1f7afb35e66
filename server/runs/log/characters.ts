// Where UTF-8 text may be cut.

/** Bytes without the character that is cut at their end. */
export function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= 4 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** The end of a text, no longer than `bytesMax`, without the rest of a character at its beginning or at its end. */
export function lastCharacters(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const end = wholeCharacters(bytes);
  let from = Math.max(0, end - bytesMax);
  if (from > 0) while (from < end && (bytes[from]! & 0xc0) === 0x80) from++;
  return bytes.subarray(from, end);
}
