// Tests the removal of folders.

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { removeTree } from '../../server/support/remove-tree.ts';

describe('removeTree', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'remove-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('S14: removeTree removes a folder with many files, and yields to the event loop meanwhile', async () => {
    const tree = join(folder, 'tree');
    for (let n = 0; n < 20; n += 1) {
      await mkdir(join(tree, `f${n}`), { recursive: true });
      await Promise.all(Array.from({ length: 200 }, (_, at) => writeFile(join(tree, `f${n}`, `${at}`), 'x')));
    }
    let turns = 0;
    const counting = setInterval(() => (turns += 1), 0);
    await removeTree(tree);
    clearInterval(counting);
    expect(existsSync(tree)).to.equal(false);
    expect(turns).to.be.greaterThan(20);
  });

  it('removeTree removes links, but not their targets', async () => {
    const tree = join(folder, 'tree');
    await mkdir(join(tree, 'a', 'b'), { recursive: true });
    await writeFile(join(folder, 'kept'), 'kept');
    await symlink(join(folder, 'kept'), join(tree, 'a', 'file'));
    await symlink(folder, join(tree, 'a', 'folder'));
    await symlink('nowhere', join(tree, 'broken'));
    await removeTree(tree);
    expect(existsSync(tree)).to.equal(false);
    expect(await readFile(join(folder, 'kept'), 'utf8')).to.equal('kept');
    await symlink(folder, join(folder, 'link'));
    await removeTree(join(folder, 'link'));
    expect(existsSync(join(folder, 'kept'))).to.equal(true);
  });

  it('removeTree removes names that are not UTF-8, and deeply nested folders', async () => {
    const tree = join(folder, 'tree');
    await mkdir(join(tree, ...Array.from({ length: 200 }, () => 'd')), { recursive: true });
    const odd = Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0xfe])]);
    await mkdir(odd);
    await writeFile(Buffer.concat([odd, Buffer.from('/'), Buffer.from([0x80])]), 'x');
    await removeTree(tree);
    expect(existsSync(tree)).to.equal(false);
  });

  it('removeTree does nothing for a path that does not exist, and removes a single file', async () => {
    await removeTree(join(folder, 'nothing'));
    await writeFile(join(folder, 'file'), 'x');
    await removeTree(join(folder, 'file'));
    expect(existsSync(join(folder, 'file'))).to.equal(false);
  });

  it('two removals of the same folder at once both succeed', async () => {
    const tree = join(folder, 'tree');
    await mkdir(tree);
    await Promise.all(Array.from({ length: 300 }, (_, at) => writeFile(join(tree, `${at}`), 'x')));
    await Promise.all([removeTree(tree), removeTree(tree)]);
    expect(existsSync(tree)).to.equal(false);
  });
});
