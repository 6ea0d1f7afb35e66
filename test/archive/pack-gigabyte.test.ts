// Tests the memory that packing a large file takes.

import { mkdirSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { expect } from 'chai';
import { packFolder } from '../../server/archive/pack.ts';
import { useTempFolder } from '../helpers/archive/file-trees.ts';

describe('packFolder with a large file', () => {
  const folder = useTempFolder();

  it('pin defect 27: packing 1 GiB takes bounded memory', async () => {
    mkdirSync(folder.at('in'));
    const file = await open(folder.at('in/big'), 'w');
    await file.truncate(2 ** 30);
    await file.close();
    for (let i = 0; i < 200; i++) writeFileSync(folder.at(`in/small-${i}`), 'x'.repeat(1000));
    let read = 0;
    let most = 0;
    const before = process.memoryUsage.rss();
    for await (const piece of packFolder(folder.at('in'))) {
      read += piece.length;
      if (read % (1 << 24) < piece.length) most = Math.max(most, process.memoryUsage.rss() - before);
    }
    expect(read).to.be.greaterThan(2 ** 30);
    expect(most).to.be.lessThan(150 << 20);
  }).timeout(120_000);
});
