import { expect } from 'chai';
import { fromBase64, toBase64Lines } from '../../../server/support/archive/base64.ts';
import { wholeFrom } from '../../helpers/random.ts';
import { cut, failureOf } from '../../helpers/trees.ts';

async function linesOf(bytes: Uint8Array, lineBytes: number, next: () => number): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of toBase64Lines(cut(bytes, next), lineBytes)) lines.push(line);
  return lines;
}

function decoded(text: string, next: () => number): Buffer {
  const bytes = Buffer.from(text);
  const decoder = fromBase64();
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + Math.max(1, next());
    parts.push(decoder.add(bytes.subarray(at, end)));
    at = end;
  }
  return Buffer.concat([...parts, decoder.end()]);
}

describe('bytes as lines of base64', () => {
  it('come back the same, however they and the lines are cut', async () => {
    const whole = wholeFrom(11);
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(Array.from({ length: whole(500) }, () => whole(256)));
      const lineBytes = 4 + whole(100);
      const lines = await linesOf(bytes, lineBytes, () => whole(60));
      expect(lines.every((line) => line.length <= lineBytes && line.length % 4 === 0)).to.equal(true);
      expect(decoded(lines.join(round % 2 === 0 ? '\n' : '\r\n'), () => whole(40)).equals(bytes)).to.equal(true);
      const text = bytes.toString(round % 3 === 0 ? 'base64url' : 'base64');
      expect(decoded(text, () => whole(7)).equals(bytes)).to.equal(true);
    }
  });

  it('may be filled up in the middle, where one text ends and another begins', () => {
    expect(decoded('YQ==\nYmI=\nY2Nj\nZA==', () => 3).toString()).to.equal('abbcccd');
    expect(decoded('YQ==YmI=', () => 100).toString()).to.equal('abb');
  });

  it('are refused with the place of what they cannot hold', async () => {
    expect((await failureOf(() => decoded('YWJj\nYW*j', () => 4))).message).to.equal('not base64: "*" at byte 7');
    expect((await failureOf(() => decoded('YWJjY', () => 4))).message).to.contain('cut off');
  });
});
