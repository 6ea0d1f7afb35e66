// Bytes as base64, cut into lines, and back: the way an archive takes through what carries text only.

import { ArchiveError } from './archive-error.ts';

/** Lines of at most `lineBytes` (at least 4) characters, without terminators; each stands for itself. */
export async function* toBase64Lines(pieces: AsyncIterable<Uint8Array>, lineBytes: number): AsyncGenerator<string> {
  const wholeBytes = Math.floor(lineBytes / 4) * 3;
  let held: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    const bytes = held.length === 0 ? Buffer.from(piece.buffer, piece.byteOffset, piece.length) : Buffer.concat([held, piece]);
    let at = 0;
    for (; bytes.length - at >= wholeBytes; at += wholeBytes) yield bytes.toString('base64', at, at + wholeBytes);
    held = bytes.subarray(at);
  }
  if (held.length > 0) yield held.toString('base64');
}

/**
 * The bytes of a text that comes in pieces, cut anywhere: white space is passed over, `=` may end it or any part of it, and `-_` are as good as `+/`.
 * Throws ArchiveError for anything else.
 */
export function fromBase64(): { add(piece: Uint8Array): Buffer; end(): Buffer } {
  let held = '';
  let at = 0;
  const add = (piece: Uint8Array): Buffer => {
    const text = Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1');
    const wrong = text.search(/[^A-Za-z0-9+/=_\-\s]/);
    if (wrong !== -1) throw new ArchiveError(`not base64: ${JSON.stringify(text[wrong])} at byte ${at + wrong}`);
    at += text.length;
    const all = held + text.replaceAll(/\s+/g, '');
    const whole = all.includes('=') ? wholeWithPadding(all) : all.length - (all.length % 4);
    held = all.slice(whole);
    return decode(all.slice(0, whole));
  };
  return {
    add,
    end() {
      const rest = held.replaceAll('=', '');
      held = '';
      if (rest.length === 1) throw new ArchiveError('not base64: cut off inside of a character');
      return decode(rest);
    },
  };
}

/** Up to here the parts are whole, however each of them is filled up. */
function wholeWithPadding(text: string): number {
  const last = text.lastIndexOf('=') + 1;
  return last + ((text.length - last) - ((text.length - last) % 4));
}

function decode(text: string): Buffer {
  if (!text.includes('=')) return Buffer.from(text, 'base64');
  return Buffer.concat(text.split(/=+/).map((part) => Buffer.from(part, 'base64')));
}
