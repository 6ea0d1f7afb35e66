import { expect } from 'chai';
import { isUtf8 } from 'node:buffer';
import { frameRegions } from '../../../server/runs/log/frames.ts';
import { LineSplitter, type Region } from '../../../server/runs/log/splitter.ts';
import { chance, chunksOf, payloadsOf, pick, someBytes } from '../kit.ts';

/** The lines of a stream and what is said of each, however the regions fell. */
function split(chunks: readonly Uint8Array[], lineBytesMax: number): { lines: string[]; stored: Buffer } {
  const splitter = new LineSplitter(lineBytesMax);
  const regions: Region[] = [];
  for (const chunk of chunks) regions.push(...splitter.push(chunk));
  regions.push(...splitter.flush());
  expect(splitter.flush()).to.have.length(0);
  return { lines: regions.flatMap((region) => marked(region, lineBytesMax)), stored: Buffer.concat(regions.flatMap(({ pieces }) => [...pieces])) };
}

function marked(region: Region, lineBytesMax: number): string[] {
  const bytes = Buffer.concat(region.pieces);
  const lines = bytes.toString('latin1').split('\n');
  expect(lines.pop()).to.equal('');
  expect(region.lines).to.equal(lines.length);
  expect(region.bytes).to.equal(bytes.length);
  expect(Math.max(...payloadsOf(frameRegions(region.pieces)).map((payload) => payload.length))).to.be.at.most(lineBytesMax);
  return lines.map((line, i) => `${line}${i === lines.length - 1 ? `|${region.cut ?? ''}${region.unterminated ?? ''}` : '|'}`);
}

/** What the stream was: cuts undone, and the newline that was not there. */
function joined(lines: readonly string[]): string {
  return lines.map((line) => line.replace(/\|true$/s, '').replace(/\|$/s, '\n')).join('');
}

describe('the splitter', () => {
  it('gives the lines of a stream, and the last one without its newline as such', () => {
    expect(split([Buffer.from('a\nb\r\n\nc')], 64).lines).to.deep.equal(['a|', 'b\r|', '|', 'c|true']);
    expect(split([Buffer.from('a\n')], 64).lines).to.deep.equal(['a|']);
    expect(split([], 64).lines).to.deep.equal([]);
  });

  it('gives the same lines, whatever the chunks, and loses no byte', () => {
    for (let seed = 0; seed < 400; seed++) {
      const rnd = chance(seed);
      const lineBytesMax = pick(rnd, [64, 65, 66, 67, 100, 128, 1000]);
      const bytes = someBytes(rnd, rnd(300));
      const whole = split([bytes], lineBytesMax);
      expect(joined(whole.lines), `seed ${seed}`).to.equal(bytes.toString('latin1'));
      for (let i = 0; i < 3; i++) expect(split(chunksOf(bytes, rnd), lineBytesMax), `seed ${seed}`).to.deep.equal(whole);
    }
  });

  it('never cuts inside a character', () => {
    for (let seed = 0; seed < 300; seed++) {
      const rnd = chance(seed);
      const text = Buffer.from(Array.from({ length: 400 }, () => pick(rnd, ['a', 'é', '€', '😀'])).join(''));
      const splitter = new LineSplitter(64 + rnd(5));
      const regions = [...chunksOf(text, rnd).flatMap((chunk) => splitter.push(chunk)), ...splitter.flush()];
      for (const region of regions) expect(isUtf8(Buffer.concat(region.pieces)), `seed ${seed}`).to.equal(true);
      expect(regions.filter(({ cut }) => cut)).to.have.length.above(5);
    }
  });

  it('keeps a character whole among bytes that are not UTF-8', () => {
    const line = Buffer.concat([Buffer.from([0xff]), Buffer.from('😀'.repeat(40)), Buffer.from('\n')]);
    const { lines } = split([line], 64);
    const shown = lines.map((told) => Buffer.from(told.slice(0, told.lastIndexOf('|')), 'latin1').toString('utf8')).join('');
    expect(shown).to.equal(`\ufffd${'😀'.repeat(40)}`);
  });

  it('does not count the end of a line as part of it', () => {
    const full = 'x'.repeat(64);
    for (const end of ['\n', '\r\n']) {
      const bytes = Buffer.from(`${full}${end}`);
      const each = [...bytes].map((byte) => Uint8Array.of(byte));
      for (const chunks of [[bytes], each]) expect(split(chunks, 64).lines).to.deep.equal([`${full}${end === '\n' ? '' : '\r'}|`]);
    }
    expect(split([Buffer.from(`${full}\rx\n`)], 64).lines).to.deep.equal([`${full}|true`, '\rx|']);
    expect(split([Buffer.from(`${full}y\n`)], 64).lines).to.deep.equal([`${full}|true`, 'y|']);
  });

  it('needs bounded memory and linear time for a line of a gigabyte', function () {
    this.timeout(20_000);
    const splitter = new LineSplitter(1 << 20);
    const chunk = Buffer.alloc(64 << 10, 'x');
    const rssBefore = process.memoryUsage.rss();
    let lines = 0;
    for (let i = 0; i < 16_384; i++) lines += splitter.push(chunk).reduce((sum, region) => sum + region.lines, 0);
    expect(lines).to.be.within(1023, 1024);
    expect(process.memoryUsage.rss() - rssBefore).to.be.below(200 << 20);
  });

  it('needs little memory for a long line that comes byte by byte, and for one in the smallest lines', () => {
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
