// Tests the WASM kernel that builds websocket frames, against a simple implementation.

import { expect } from 'chai';
import { framingKernelBytes } from '../../../server/session/frames/framing-kernel-bytes.ts';
import { frameRegion, frameText } from '../../../server/session/frames/websocket-frames.ts';
import { countLines, kernelBytesMax } from '../../../server/support/kernel/line-kernel.ts';
import { compileWat } from '../../helpers/compile-wat.ts';
import { pick, randomChunks, randomOutput, seededRandom } from '../../helpers/runs/test-log.ts';
import { seeds } from '../../helpers/seeded-random.ts';

/** Reference implementation that encodes line by line and keeps invalid UTF-8 unchanged. */
function framed(region: Buffer): { lines: number; frames: Buffer } {
  const lines = region
    .toString('latin1')
    .split('\n')
    .slice(0, -1)
    .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  return { lines: lines.length, frames: Buffer.concat(lines.map((line) => headed(Buffer.from(line, 'latin1')))) };
}

/**
 * Returns the payload as a frame. Takes only the header from `frameText`, for a text of the same length, because
 * `frameText` replaces invalid UTF-8.
 */
function headed(payload: Buffer): Buffer {
  const head = frameText(Buffer.alloc(payload.length, 'x'));
  return Buffer.concat([head.subarray(0, head.length - payload.length), payload]);
}

function expectSameAs(region: Buffer, pieces: readonly Uint8Array[], what: string): void {
  const expected = framed(region);
  expect(countLines(pieces), what).to.equal(expected.lines);
  const { frames, region: read, beyondAscii } = frameRegion(pieces);
  expect(expected.frames.equals(frames), what).to.equal(true);
  expect(region.equals(read), what).to.equal(true);
  if (region.some((byte) => byte >= 0x80)) expect(beyondAscii, what).to.equal(true);
}

/** Lengths around the limits of each header size, and around multiples of the 16 bytes that the kernel reads. */
const lengths = [
  0, 1, 2, 14, 15, 16, 17, 31, 32, 33, 111, 112, 123, 124, 125, 126, 127, 128, 129, 65_534, 65_535, 65_536, 65_537,
];

describe('the framing kernel', () => {
  it('the kernel frames lines of every length before and after lines of every other length', () => {
    for (const first of lengths) {
      for (const second of lengths) {
        for (const end of ['\n', '\r\n']) {
          const region = Buffer.from(`${'a'.repeat(first)}${end}${'b'.repeat(second)}${end}`);
          expectSameAs(region, [region], `${first} and ${second}`);
        }
      }
    }
  });

  it('the kernel frames any bytes as if each line were framed alone, whatever the pieces', () => {
    for (const seed of seeds(3000)) {
      const rnd = seededRandom(seed);
      const long = Buffer.alloc(rnd(30) === 0 ? pick(rnd, lengths) : 0, 'z');
      const region = Buffer.concat([randomOutput(rnd, rnd(200)), long, randomOutput(rnd, rnd(20)), Buffer.from('\n')]);
      expectSameAs(region, randomChunks(region, rnd), `seed ${seed}`);
    }
  });

  it('the kernel accepts a full buffer of the shortest and of the longest lines', () => {
    const full = [
      Buffer.alloc(kernelBytesMax, '\n'),
      Buffer.concat([Buffer.alloc(kernelBytesMax - 1, 'x'), Buffer.from('\n')]),
      Buffer.alloc(kernelBytesMax, '\r\n'),
    ];
    for (const region of full) expectSameAs(region, [region], `full of ${region[0]}`);
  });

  it('the kernel recognizes regions that contain only ASCII', () => {
    frameRegion([Buffer.from('é'.repeat(50))]);
    // The kernel may also check bytes after the end of a region, so overwrite those of the previous region here.
    frameRegion([Buffer.from(`${'x'.repeat(200)}\n`)]);
    expect(frameRegion([Buffer.from('all of this\nis plain\n')]).beyondAscii).to.equal(false);
    expect(frameRegion([]).frames).to.have.length(0);
  });
});

describe('the source of the framing kernel', () => {
  it('framing-kernel.wat compiles to the checked-in bytes', async () => {
    expect(await compileWat('server/session/frames/framing-kernel.wat')).to.equal(framingKernelBytes);
  });
});
