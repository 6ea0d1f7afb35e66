import { expect } from 'chai';
import { assemble } from '../../../server/runs/log/assembler.ts';
import { frameText } from '../../../server/runs/log/frames.ts';
import { kernelBytesMax, pass } from '../../../server/runs/log/kernel.ts';
import { chance, chunksOf, pick, someBytes } from '../kit.ts';

/** The same, line by line; bytes that are not UTF-8 stay as they are. */
function framed(region: Buffer): { lines: number; frames: Buffer } {
  const lines = region.toString('latin1').split('\n').slice(0, -1).map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  return { lines: lines.length, frames: Buffer.concat(lines.map((line) => headed(Buffer.from(line, 'latin1')))) };
}

/** `frameText` repairs what is not UTF-8, so it gives the header of a text of the same length. */
function headed(payload: Buffer): Buffer {
  const head = frameText(Buffer.alloc(payload.length, 'x'));
  return Buffer.concat([head.subarray(0, head.length - payload.length), payload]);
}

function expectSameAs(region: Buffer, pieces: readonly Uint8Array[], what: string): void {
  const expected = framed(region);
  const { lines, frames, input, beyondAscii } = pass(pieces);
  expect(lines, what).to.equal(expected.lines);
  expect(expected.frames.equals(frames), what).to.equal(true);
  expect(region.equals(input), what).to.equal(true);
  if (region.some((byte) => byte >= 0x80)) expect(beyondAscii, what).to.equal(true);
}

/** Around what a header, and a vector of the kernel, can count. */
const lengths = [0, 1, 2, 14, 15, 16, 17, 31, 32, 33, 111, 112, 123, 124, 125, 126, 127, 128, 129, 65_534, 65_535, 65_536, 65_537];

describe('the kernel', () => {
  it('frames lines of every length, behind and before lines of every other', () => {
    for (const first of lengths) {
      for (const second of lengths) {
        for (const end of ['\n', '\r\n']) {
          const region = Buffer.from(`${'a'.repeat(first)}${end}${'b'.repeat(second)}${end}`);
          expectSameAs(region, [region], `${first} and ${second}`);
        }
      }
    }
  });

  it('frames any bytes as if each line were framed alone, whatever the pieces', () => {
    const rnd = chance(7);
    for (let round = 0; round < 3000; round++) {
      const long = Buffer.alloc(rnd(30) === 0 ? pick(rnd, lengths) : 0, 'z');
      const region = Buffer.concat([someBytes(rnd, rnd(200)), long, someBytes(rnd, rnd(20)), Buffer.from('\n')]);
      expectSameAs(region, chunksOf(region, rnd), `round ${round}`);
    }
  });

  it('takes a full load of the shortest and of the longest lines', () => {
    const full = [Buffer.alloc(kernelBytesMax, '\n'), Buffer.concat([Buffer.alloc(kernelBytesMax - 1, 'x'), Buffer.from('\n')]), Buffer.alloc(kernelBytesMax, '\r\n')];
    for (const region of full) expectSameAs(region, [region], `full of ${region[0]}`);
  });

  it('knows ASCII when it sees nothing else', () => {
    pass([Buffer.from('é'.repeat(50))]);
    // What is behind the end may count, and is overwritten here.
    pass([Buffer.from(`${'x'.repeat(200)}\n`)]);
    expect(pass([Buffer.from('all of this\nis plain\n')]).beyondAscii).to.equal(false);
    expect(pass([]).lines).to.equal(0);
  });
});

describe('the assembler', () => {
  it('makes a module that does what its text says', () => {
    const body = 'loop more  local.get sum  local.get n  i32.add  local.set sum  local.get n  i32.const -1  i32.add  local.tee n  br_if more  end  local.get sum';
    const memory = new WebAssembly.Memory({ initial: 0 });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assemble('sum', { params: ['n'], locals: { sum: 'i32' }, body })), { env: { memory } });
    expect((exports['sum'] as (n: number) => number)(1000)).to.equal(500_500);
  });

  it('refuses a word and a name it does not know', () => {
    expect(() => assemble('f', { params: [], locals: {}, body: 'i32.divide' })).to.throw('no such instruction: i32.divide');
    expect(() => assemble('f', { params: [], locals: {}, body: 'local.get x' })).to.throw('no such name: x');
  });

  it('writes numbers of every size', () => {
    for (const value of [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, 65_536, 2 ** 31 - 1, -(2 ** 31)]) {
      const memory = new WebAssembly.Memory({ initial: 0 });
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assemble('f', { params: [], locals: {}, body: `i32.const ${value}` })), { env: { memory } });
      expect((exports['f'] as () => number)()).to.equal(value);
    }
  });
});
