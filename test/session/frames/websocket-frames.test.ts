// Tests the encoder of websocket frames, against a simple implementation and for its speed.

import { expect } from 'chai';
import { frameBinary, frameLines as frameRegions, frameText } from '../../../server/session/frames/websocket-frames.ts';
import { countLines as countPieces } from '../../../server/support/kernel/line-kernel.ts';
import { parseTextFrames, randomOutput, seededRandom } from '../../helpers/runs/test-log.ts';
import { seeds } from '../../helpers/seeded-random.ts';

const frameLines = (region: Uint8Array): Buffer => frameRegions([region]);
const countLines = (region: Uint8Array): number => countPieces([region]);

/** Reference implementation: returns the lines that the frames of a region must contain. */
function expectedLines(region: Buffer): string[] {
  const lines = region.toString('utf8').split('\n');
  expect(lines.pop()).to.equal('');
  return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
}

function expectFramed(region: Buffer): void {
  expect(parseTextFrames(frameLines(region)).map((payload) => payload.toString('utf8'))).to.deep.equal(
    expectedLines(region),
  );
}

const lengths = [0, 1, 2, 3, 4, 5, 62, 63, 64, 65, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 65_537];

describe('websocket frames of lines', () => {
  it('the encoder frames a region right after countLines like any other region', () => {
    const carry = Buffer.from('the beginning of ');
    const whole = Buffer.from('a line\r\n\nand two more\nlines\n');
    const other = Buffer.from('one\ntwo\n');
    const expected = frameLines(Buffer.concat([carry, whole]));
    countLines(whole);
    expect(frameRegions([carry, whole]).equals(expected)).to.equal(true);
    expect(frameRegions([carry, whole]).equals(expected)).to.equal(true);
    countLines(whole);
    expect(frameRegions([other, whole]).equals(frameLines(Buffer.concat([other, whole])))).to.equal(true);
    countLines(whole);
    countLines(other);
    expect(frameRegions([carry, whole]).equals(expected)).to.equal(true);
    countLines(whole);
    frameLines(other);
    expect(frameRegions([carry, whole]).equals(expected)).to.equal(true);
    const broken = Buffer.from([0x61, 0xff, 0x0a, 0x62, 0x0a]);
    countLines(broken);
    expect(frameRegions([carry, broken]).equals(frameLines(Buffer.concat([carry, broken])))).to.equal(true);
  });

  it('the encoder frames lines of any length, alone and among others', () => {
    for (const length of lengths) {
      for (const end of ['\n', '\r\n']) {
        const line = `${'x'.repeat(length)}${end}`;
        expectFramed(Buffer.from(line));
        expectFramed(Buffer.from(`a\n${line}\n${line}b\n`));
      }
    }
  });

  it('the encoder frames many lines of the same length', () => {
    for (const length of lengths) expectFramed(Buffer.from(`${'y'.repeat(length)}\n`.repeat(length > 1000 ? 5 : 3000)));
  });

  it('the encoder drops one carriage return before the newline and no other', () => {
    expect(parseTextFrames(frameLines(Buffer.from('a\r\r\n\r\nb\rc\n\r\r\n'))).map(String)).to.deep.equal([
      'a\r',
      '',
      'b\rc',
      '\r',
    ]);
  });

  it('the encoder frames the lines of any region and replaces invalid UTF-8', () => {
    for (const seed of seeds(1500)) {
      const rnd = seededRandom(seed);
      const long = rnd(50) === 0 ? Buffer.alloc(60_000 + rnd(10_000), 'z') : Buffer.alloc(0);
      expectFramed(Buffer.concat([randomOutput(rnd, rnd(200)), long, randomOutput(rnd, rnd(20)), Buffer.from('\n')]));
    }
  });

  it('frames do not depend on the offset of the region in its buffer, which stays unchanged', () => {
    const rnd = seededRandom(2);
    for (let offset = 0; offset < 9; offset++) {
      const region = Buffer.concat([randomOutput(rnd, 40), Buffer.from('\n')]);
      const around = Buffer.concat([Buffer.alloc(offset, '\n'), region, Buffer.alloc(7, '\n')]);
      const before = Buffer.from(around);
      expectFramed(around.subarray(offset, offset + region.length));
      expect(around.equals(before)).to.equal(true);
    }
  });

  it('the encoder frames several pieces like one region', () => {
    const region = Buffer.from('one\ntwo €\nthree\n');
    for (let cut = 0; cut <= region.length; cut++) {
      expect(frameRegions([region.subarray(0, cut), region.subarray(cut)]).equals(frameLines(region))).to.equal(true);
    }
    expect(frameRegions([])).to.have.length(0);
  });

  it('the encoder frames a line of several megabytes', () => {
    expectFramed(Buffer.from(`${'é'.repeat(5 << 20)}\nshort\n`));
  });

  it('the encoder frames a line of 80 characters in less than a microsecond', () => {
    const region = Buffer.from(`${'x'.repeat(80)}\n`.repeat(800));
    for (let i = 0; i < 300; i++) frameLines(region);
    const began = performance.now();
    for (let i = 0; i < 1000; i++) frameLines(region);
    // About 40 ns per line were measured. The limit leaves a margin for a busy machine.
    expect(((performance.now() - began) * 1e6) / 800_000).to.be.below(1000);
  });
});

describe('a single websocket frame', () => {
  it('one text frame can contain a text with newlines, and invalid UTF-8 is replaced', () => {
    for (const length of lengths)
      expect(parseTextFrames(frameText(Buffer.alloc(length, 'x')))[0]).to.have.length(length);
    expect(parseTextFrames(frameText(Buffer.from([0x61, 0x0a, 0xff])))[0]!.toString('utf8')).to.equal('a\n\ufffd');
  });

  it('a single frame can be binary', () => {
    expect(frameBinary(Buffer.from('{}'))).to.deep.equal(Buffer.from([0x82, 2, 0x7b, 0x7d]));
  });

  it('countLines counts the newlines of a region', () => {
    expect(countLines(Buffer.from(''))).to.equal(0);
    expect(countLines(Buffer.from('a\n\nb\nc'))).to.equal(3);
  });
});
