// Tests base64 lines: bytes to lines and back.

import { expect } from 'chai';
import { createBase64Decoder, toBase64Lines } from '../../server/archive/base64-lines.ts';
import { catchError, splitBytes } from '../helpers/archive/file-trees.ts';
import { createRandomInteger } from '../helpers/seeded-random.ts';

async function encodeInChunks(bytes: Uint8Array, lineBytes: number, next: () => number): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of toBase64Lines(splitBytes(bytes, next), lineBytes)) lines.push(line);
  return lines;
}

function decodeInChunks(text: string, next: () => number): Buffer {
  const bytes = Buffer.from(text);
  const decoder = createBase64Decoder();
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + Math.max(1, next());
    parts.push(decoder.add(bytes.subarray(at, end)));
    at = end;
  }
  return Buffer.concat([...parts, decoder.end()]);
}

describe('base64 lines', () => {
  it('base64 lines decode to the original bytes, however bytes and lines are split', async () => {
    const whole = createRandomInteger(11);
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(Array.from({ length: whole(500) }, () => whole(256)));
      const lineBytes = 4 + whole(100);
      const lines = await encodeInChunks(bytes, lineBytes, () => whole(60));
      expect(lines.every((line) => line.length <= lineBytes && line.length % 4 === 0)).to.equal(true);
      expect(decodeInChunks(lines.join(round % 2 === 0 ? '\n' : '\r\n'), () => whole(40)).equals(bytes)).to.equal(true);
      const text = bytes.toString(round % 3 === 0 ? 'base64url' : 'base64');
      expect(decodeInChunks(text, () => whole(7)).equals(bytes)).to.equal(true);
    }
  });

  it('the base64 decoder accepts padding between concatenated texts', () => {
    expect(decodeInChunks('YQ==\nYmI=\nY2Nj\nZA==', () => 3).toString()).to.equal('abbcccd');
    expect(decodeInChunks('YQ==YmI=', () => 100).toString()).to.equal('abb');
  });

  it('the base64 decoder rejects invalid characters and reports their position', async () => {
    expect((await catchError(() => decodeInChunks('YWJj\nYW*j', () => 4))).message).to.equal(
      'not base64: "*" at byte 7',
    );
    expect((await catchError(() => decodeInChunks('YWJjY', () => 4))).message).to.contain('ends inside a group');
  });
});
