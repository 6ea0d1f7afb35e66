// Tests how output is split into lines: any chunks, long lines, and invalid UTF-8.

import { isUtf8 } from 'node:buffer';
import { expect } from 'chai';
import { LineSplitter, type Region } from '../../../../server/runs/log/text/line-splitter.ts';
import { frameLines } from '../../../../server/session/frames/websocket-frames.ts';
import { parseTextFrames, pick, randomChunks, randomOutput, seededRandom } from '../../../helpers/runs/test-log.ts';
import { seeds } from '../../../helpers/seeded-random.ts';

/** Returns the lines of a stream, each followed by `|` and its flags, however the splitter groups them into regions. */
function split(chunks: readonly Uint8Array[], lineBytesMax: number): { lines: string[]; stored: Buffer } {
  const splitter = new LineSplitter(lineBytesMax);
  const regions: Region[] = [];
  for (const chunk of chunks) regions.push(...splitter.push(chunk));
  regions.push(...splitter.flush());
  expect(splitter.flush()).to.have.length(0);
  return {
    lines: regions.flatMap((region) => marked(region, lineBytesMax)),
    stored: Buffer.concat(regions.flatMap(({ pieces }) => [...pieces])),
  };
}

function marked(region: Region, lineBytesMax: number): string[] {
  const bytes = Buffer.concat(region.pieces);
  const lines = bytes.toString('latin1').split('\n');
  expect(lines.pop()).to.equal('');
  expect(region.lines).to.equal(lines.length);
  expect(region.bytes).to.equal(bytes.length);
  expect(Math.max(...parseTextFrames(frameLines(region.pieces)).map((payload) => payload.length))).to.be.at.most(
    lineBytesMax,
  );
  return lines.map(
    (line, i) => `${line}${i === lines.length - 1 ? `|${region.cut ?? ''}${region.unterminated ?? ''}` : '|'}`,
  );
}

/** Restores the original stream: removes cuts and added newlines. */
function joined(lines: readonly string[]): string {
  return lines.map((line) => line.replace(/\|true$/s, '').replace(/\|$/s, '\n')).join('');
}

describe('the line splitter', () => {
  it('the splitter returns the lines of a stream and marks an unterminated last one', () => {
    expect(split([Buffer.from('a\nb\r\n\nc')], 64).lines).to.deep.equal(['a|', 'b\r|', '|', 'c|true']);
    expect(split([Buffer.from('a\n')], 64).lines).to.deep.equal(['a|']);
    expect(split([], 64).lines).to.deep.equal([]);
  });

  it('the splitter returns the same lines for any chunks and loses no byte', () => {
    for (const seed of seeds(400)) {
      const random = seededRandom(seed);
      const lineBytesMax = pick(random, [64, 65, 66, 67, 100, 128, 1000]);
      const bytes = randomOutput(random, random(300));
      const whole = split([bytes], lineBytesMax);
      expect(joined(whole.lines), `seed ${seed}`).to.equal(bytes.toString('latin1'));
      for (let i = 0; i < 3; i++)
        expect(split(randomChunks(bytes, random), lineBytesMax), `seed ${seed}`).to.deep.equal(whole);
    }
  });

  it('the splitter never cuts a character', () => {
    for (const seed of seeds(300)) {
      const random = seededRandom(seed);
      const text = Buffer.from(Array.from({ length: 400 }, () => pick(random, ['a', 'é', '€', '😀'])).join(''));
      const splitter = new LineSplitter(64 + random(5));
      const regions = [...randomChunks(text, random).flatMap((chunk) => splitter.push(chunk)), ...splitter.flush()];
      for (const region of regions) expect(isUtf8(Buffer.concat(region.pieces)), `seed ${seed}`).to.equal(true);
      expect(regions.filter(({ cut }) => cut)).to.have.length.above(5);
    }
  });

  it('the splitter keeps a character whole among bytes that are not UTF-8', () => {
    const line = Buffer.concat([Buffer.from([0xff]), Buffer.from('😀'.repeat(40)), Buffer.from('\n')]);
    const { lines } = split([line], 64);
    const shown = lines
      .map((received) => Buffer.from(received.slice(0, received.lastIndexOf('|')), 'latin1').toString('utf8'))
      .join('');
    expect(shown).to.equal(`\ufffd${'😀'.repeat(40)}`);
  });

  it('the splitter does not count the terminator towards the length limit of a line', () => {
    const full = 'x'.repeat(64);
    for (const end of ['\n', '\r\n']) {
      const bytes = Buffer.from(`${full}${end}`);
      const each = [...bytes].map((byte) => Uint8Array.of(byte));
      for (const chunks of [[bytes], each])
        expect(split(chunks, 64).lines).to.deep.equal([`${full}${end === '\n' ? '' : '\r'}|`]);
    }
    expect(split([Buffer.from(`${full}\rx\n`)], 64).lines).to.deep.equal([`${full}|true`, '\rx|']);
    expect(split([Buffer.from(`${full}y\n`)], 64).lines).to.deep.equal([`${full}|true`, 'y|']);
  });

  it('the splitter needs little memory for a line that arrives byte by byte, and is fast for very short lines', () => {
    const splitter = new LineSplitter(1 << 20);
    const byte = Uint8Array.of(0x78);
    const before = process.memoryUsage();
    for (let i = 0; i < 1_000_000; i++) splitter.push(byte);
    const after = process.memoryUsage();
    expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).to.be.below(40 << 20);
    expect(splitter.flush()[0]!.bytes).to.equal(1_000_001);
    const small = new LineSplitter(64);
    const began = performance.now();
    let lines = 0;
    for (let i = 0; i < 200; i++) lines += small.push(Buffer.alloc(64 << 10, 0xff)).length;
    expect(lines).to.be.above(600_000);
    expect(performance.now() - began).to.be.below(10_000);
  });
});
