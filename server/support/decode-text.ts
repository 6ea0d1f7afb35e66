// Decodes the bytes of a text file, or reports why they are not text.

import { isUtf8 } from 'node:buffer';

export type DecodedText =
  | { readonly ok: true; readonly text: string }
  /** `line`, counted from 1, has the first invalid byte. */
  | { readonly ok: false; readonly message: string; readonly line: number };

/** Accepts UTF-8 only, with or without a byte order mark, which is removed. */
export function decodeText(bytes: Buffer): DecodedText {
  if (isUtf16(bytes)) return { ok: false, message: 'the file is UTF-16; save it as UTF-8', line: 1 };
  if (!isUtf8(bytes))
    return { ok: false, message: 'the file is not UTF-8; save it in this encoding', line: firstInvalidLine(bytes) };
  return { ok: true, text: bytes.toString('utf8').replace(/^\uFEFF/, '') };
}

/** True if the file begins with a byte order mark of UTF-16, or with an ASCII character in UTF-16. */
function isUtf16(bytes: Buffer): boolean {
  const [first, second] = bytes;
  if (first === undefined || second === undefined) return false;
  return (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff) || (first === 0) !== (second === 0);
}

function firstInvalidLine(bytes: Buffer): number {
  let line = 1;
  for (let start = 0; ; line += 1) {
    const end = bytes.indexOf(0x0a, start);
    if (end === -1 || !isUtf8(bytes.subarray(start, end))) return line;
    start = end + 1;
  }
}
