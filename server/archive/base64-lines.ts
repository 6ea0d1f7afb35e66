// Encodes bytes as lines of base64 and decodes them, so that archives can pass through text channels.

import { ArchiveError } from './archive-error.ts';

/**
 * Yields lines of at most `lineBytes` (at least 4) characters, without terminators. Each line can be decoded on its
 * own.
 */
export async function* toBase64Lines(pieces: AsyncIterable<Uint8Array>, lineBytes: number): AsyncGenerator<string> {
  const bytesPerLine = Math.floor(lineBytes / 4) * 3;
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    const bytes =
      rest.length === 0 ? Buffer.from(piece.buffer, piece.byteOffset, piece.length) : Buffer.concat([rest, piece]);
    let at = 0;
    for (; bytes.length - at >= bytesPerLine; at += bytesPerLine) yield bytes.toString('base64', at, at + bytesPerLine);
    rest = bytes.subarray(at);
  }
  if (rest.length > 0) yield rest.toString('base64');
}

/**
 * Decodes base64 that arrives in pieces of any size. Ignores white space and accepts `-_` as well as `+/`. Padding
 * (`=`) may occur in the middle, so encoded texts can follow each other. Throws ArchiveError for anything else.
 */
export function createBase64Decoder(): { add(piece: Uint8Array): Buffer; end(): Buffer } {
  let rest = '';
  let at = 0;
  const add = (piece: Uint8Array): Buffer => {
    const text = Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1');
    const invalid = text.search(/[^A-Za-z0-9+/=_\-\s]/);
    if (invalid !== -1) throw new ArchiveError(`not base64: ${JSON.stringify(text[invalid])} at byte ${at + invalid}`);
    at += text.length;
    const all = rest + text.replaceAll(/\s+/g, '');
    const decodable = all.includes('=') ? decodableLength(all) : all.length - (all.length % 4);
    rest = all.slice(decodable);
    return decode(all.slice(0, decodable));
  };
  return {
    add,
    end() {
      const last = rest.replaceAll('=', '');
      rest = '';
      if (last.length === 1) throw new ArchiveError('not base64: the text ends inside a group of four characters');
      return decode(last);
    },
  };
}

/**
 * Returns the length of the prefix that can be decoded: everything up to the last `=`, and the complete groups of four
 * characters after it.
 */
function decodableLength(text: string): number {
  const last = text.lastIndexOf('=') + 1;
  return last + (text.length - last - ((text.length - last) % 4));
}

function decode(text: string): Buffer {
  if (!text.includes('=')) return Buffer.from(text, 'base64');
  return Buffer.concat(text.split(/=+/).map((part) => Buffer.from(part, 'base64')));
}
