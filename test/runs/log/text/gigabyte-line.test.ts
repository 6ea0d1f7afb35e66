// Tests the memory and the time that a very long line takes.

import { expect } from 'chai';
import { LineSplitter } from '../../../../server/runs/log/text/line-splitter.ts';

describe('the line splitter with a very long line', () => {
  it('the splitter needs limited memory and linear time for a line of one gigabyte', function () {
    this.timeout(60_000);
    const splitter = new LineSplitter(1 << 20);
    const chunk = Buffer.alloc(64 << 10, 'x');
    const rssBefore = process.memoryUsage.rss();
    let lines = 0;
    for (let i = 0; i < 16_384; i++) lines += splitter.push(chunk).reduce((sum, region) => sum + region.lines, 0);
    expect(lines).to.be.within(1023, 1024);
    expect(process.memoryUsage.rss() - rssBefore).to.be.below(200 << 20);
  });
});
