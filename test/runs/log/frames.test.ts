import { expect } from 'chai';
import { countLines, frameBinary, frameLines, frameRegions, frameText } from '../../../server/runs/log/frames.ts';
import { chance, payloadsOf, someBytes } from '../kit.ts';

/** The same, said as simply as it can be. */
function linesOf(region: Buffer): string[] {
  const lines = region.toString('utf8').split('\n');
  expect(lines.pop()).to.equal('');
  return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
}

function expectFramed(region: Buffer): void {
  expect(payloadsOf(frameLines(region)).map((payload) => payload.toString('utf8'))).to.deep.equal(linesOf(region));
}

const lengths = [0, 1, 2, 3, 4, 5, 62, 63, 64, 65, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 65_537];

describe('frames of lines', () => {
  it('frames what was counted just before as it frames anything else', () => {
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

  it('hold each line, whatever its length, alone and among others', () => {
    for (const length of lengths) {
      for (const end of ['\n', '\r\n']) {
        const line = `${'x'.repeat(length)}${end}`;
        expectFramed(Buffer.from(line));
        expectFramed(Buffer.from(`a\n${line}\n${line}b\n`));
      }
    }
  });

  it('hold many lines of one length', () => {
    for (const length of lengths) expectFramed(Buffer.from(`${'y'.repeat(length)}\n`.repeat(length > 1000 ? 5 : 3000)));
  });

  it('drop one carriage return before the newline and no other', () => {
    expect(payloadsOf(frameLines(Buffer.from('a\r\r\n\r\nb\rc\n\r\r\n'))).map(String)).to.deep.equal(['a\r', '', 'b\rc', '\r']);
  });

  it('are the lines of any region, broken UTF-8 repaired', () => {
    const rnd = chance(1);
    for (let round = 0; round < 1500; round++) {
      const long = rnd(50) === 0 ? Buffer.alloc(60_000 + rnd(10_000), 'z') : Buffer.alloc(0);
      expectFramed(Buffer.concat([someBytes(rnd, rnd(200)), long, someBytes(rnd, rnd(20)), Buffer.from('\n')]));
    }
  });

  it('do not depend on where in its buffer the region stands, and leave it as it was', () => {
    const rnd = chance(2);
    for (let offset = 0; offset < 9; offset++) {
      const region = Buffer.concat([someBytes(rnd, 40), Buffer.from('\n')]);
      const around = Buffer.concat([Buffer.alloc(offset, '\n'), region, Buffer.alloc(7, '\n')]);
      const before = Buffer.from(around);
      expectFramed(around.subarray(offset, offset + region.length));
      expect(around.equals(before)).to.equal(true);
    }
  });

  it('come from pieces as from one region', () => {
    const region = Buffer.from('one\ntwo €\nthree\n');
    for (let cut = 0; cut <= region.length; cut++) {
      expect(frameRegions([region.subarray(0, cut), region.subarray(cut)]).equals(frameLines(region))).to.equal(true);
    }
    expect(frameRegions([])).to.have.length(0);
  });

  it('hold a line of many megabytes', () => {
    expectFramed(Buffer.from(`${'é'.repeat(5 << 20)}\nshort\n`));
  });

  it('are made at the speed of memory', () => {
    const region = Buffer.from(`${'x'.repeat(80)}\n`.repeat(800));
    for (let i = 0; i < 300; i++) frameLines(region);
    const began = performance.now();
    for (let i = 0; i < 1000; i++) frameLines(region);
    // 40 ns where it was measured; the bound is for a machine that does ten other things.
    expect((performance.now() - began) * 1e6 / 800_000).to.be.below(1000);
  });
});

describe('a frame', () => {
  it('holds a text as it is, newlines too, broken UTF-8 repaired', () => {
    for (const length of lengths) expect(payloadsOf(frameText(Buffer.alloc(length, 'x')))[0]).to.have.length(length);
    expect(payloadsOf(frameText(Buffer.from([0x61, 0x0a, 0xff])))[0]!.toString('utf8')).to.equal('a\n\ufffd');
  });

  it('can be binary', () => {
    expect(frameBinary(Buffer.from('{}'))).to.deep.equal(Buffer.from([0x82, 2, 0x7b, 0x7d]));
  });

  it('is counted by newlines', () => {
    expect(countLines(Buffer.from(''))).to.equal(0);
    expect(countLines(Buffer.from('a\n\nb\nc'))).to.equal(3);
  });
});
