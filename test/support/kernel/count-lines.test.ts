// Tests the WebAssembly kernel that counts lines.

import { expect } from 'chai';
import { countLinesBytes } from '../../../server/support/kernel/count-lines-bytes.ts';
import { countLines, kernelBytesMax } from '../../../server/support/kernel/line-kernel.ts';
import { compileWat } from '../../helpers/compile-wat.ts';
import { randomChunks, randomOutput, seededRandom } from '../../helpers/runs/test-log.ts';
import { seeds } from '../../helpers/seeded-random.ts';

function countSimply(region: Uint8Array): number {
  return region.reduce((sum, byte) => sum + (byte === 0x0a ? 1 : 0), 0);
}

describe('countLines', () => {
  it('countLines counts every newline, whatever the other bytes are and however they are split', () => {
    for (const seed of seeds(1000)) {
      const rnd = seededRandom(seed);
      const region = randomOutput(rnd, rnd(200));
      expect(countLines(randomChunks(region, rnd)), `seed ${seed}`).to.equal(countSimply(region));
    }
  });

  it('countLines ignores what an earlier region left in memory after the end of the current one', () => {
    for (let length = 0; length < 40; length++) {
      countLines([Buffer.alloc(100, '\n')]);
      expect(countLines([Buffer.alloc(length, 'x')]), `length ${length}`).to.equal(0);
      expect(countLines([Buffer.alloc(length, '\n')]), `length ${length}`).to.equal(length);
    }
  });

  it("countLines counts newlines in a region that fills the kernel's memory, and in a longer one", () => {
    for (const length of [kernelBytesMax, kernelBytesMax + 1])
      expect(countLines([Buffer.alloc(length, '\n')])).to.equal(length);
  });

  it('count-lines.wat compiles to the bytes in count-lines-bytes.ts', async () => {
    expect(await compileWat('server/support/kernel/count-lines.wat')).to.equal(countLinesBytes);
  });
});
