// Tests the creation of folders, also in places where the recursive mkdir of Node would never return.

import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeFolder } from '../../server/support/make-folder.ts';

describe('makeFolder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'make-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('makeFolder creates a folder with its parents, and does nothing if it exists', () => {
    const path = join(folder, 'a', 'b', 'c');
    makeFolder(path, 0o750);
    makeFolder(path, 0o700);
    expect(statSync(path).mode & 0o777).to.equal(0o750);
  });

  it('makeFolder throws the system error if a file is in the way', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => makeFolder(join(folder, 'file'))).to.throw(/EEXIST/);
    expect(() => makeFolder(join(folder, 'file', 'below'))).to.throw(/ENOTDIR/);
  });

  it('C6: makeFolder throws where a file system accepts no folders', () => {
    expect(() => makeFolder('/proc/none')).to.throw(/ENOENT.*'\/proc\/none'/);
    expect(() => makeFolder('/proc/none/below/it')).to.throw(/ENOENT.*'\/proc\/none'/);
    expect(() => makeFolder('/proc/self/none')).to.throw(/ENOENT.*'\/proc\/self\/none'/);
  });

  it('C6: makeFolder throws if the current folder was deleted', () => {
    const [before, deleted] = [process.cwd(), join(folder, 'deleted')];
    makeFolder(deleted);
    process.chdir(deleted);
    try {
      rmSync(deleted, { recursive: true });
      expect(() => makeFolder('below/it')).to.throw(/ENOENT/);
    } finally {
      process.chdir(before);
    }
  });
});
