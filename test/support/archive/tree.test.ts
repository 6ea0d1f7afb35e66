import { expect } from 'chai';
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ArchiveError } from '../../../server/support/archive/archive-error.ts';
import { Budget } from '../../../server/support/archive/budget.ts';
import { gzipped, plain } from '../../../server/support/archive/gzip.ts';
import { packFolder } from '../../../server/support/archive/pack.ts';
import { Tree } from '../../../server/support/archive/tree.ts';
import { wholeFrom } from '../../helpers/random.ts';
import { bytesOf, cut, failureOf, make, once, ownFolder, tarOf, treeOf, type TarEntry } from '../../helpers/trees.ts';

const budget = (bytesMax = 1 << 20, entriesMax = 1000): Budget => new Budget({ bytesMax, entriesMax, tooMuch: (of) => `too much: ${of}` });

describe('an unpacked archive', () => {
  const folder = ownFolder();
  beforeEach(() => {
    mkdirSync(folder.at('tree'));
    writeFileSync(folder.at('secret'), 'nobody may touch this');
  });
  const unpack = (bytes: Uint8Array, room = budget()): Promise<void> => new Tree(folder.at('tree'), room).unpack(once(bytes));

  /** What unpacking these entries fails with; nothing outside of the tree may have changed. */
  async function refusalOf(entries: readonly TarEntry[], room = budget()): Promise<string> {
    rmSync(folder.at('tree'), { recursive: true });
    mkdirSync(folder.at('tree'));
    const error = await failureOf(async () => unpack(await tarOf(entries), room));
    expect(error, error.stack).to.be.instanceOf(ArchiveError);
    expect(readdirSync(folder.path).sort()).to.deep.equal(['secret', 'tree']);
    expect(readFileSync(folder.at('secret'), 'utf8')).to.equal('nobody may touch this');
    return error.message;
  }

  it('is what was packed, whichever way it is cut, gzipped or not', async () => {
    make(folder.at('in'), {
      'a': 'one', 'sub/empty/': '', 'sub/b': 'x'.repeat(100_000), 'to-a': { to: 'a' }, 'sub/up': { to: '../a' }, 'dangling': { to: 'not/there' }, 'süß/🙂': 'utf8', [`${'n'.repeat(120)}/${'m'.repeat(120)}`]: '',
    });
    chmodSync(folder.at('in/a'), 0o640);
    const whole = wholeFrom(7);
    for (const archive of [packFolder(folder.at('in')), gzipped(packFolder(folder.at('in')))]) {
      const bytes = await bytesOf(archive);
      for (const most of [13, 700, 70_000]) {
        const root = mkdtempSync(folder.at('tree/'));
        await new Tree(root, budget()).unpack(plain(cut(bytes, () => whole(most))));
        expect(treeOf(root)).to.deep.equal(treeOf(folder.at('in')));
        expect(lstatSync(join(root, 'a')).mode & 0o7777).to.equal(0o640);
        expect(lstatSync(join(root, 'a')).mtimeMs).to.equal(Math.floor(lstatSync(folder.at('in/a')).mtimeMs / 1000) * 1000);
      }
    }
  });

  it('has names of any bytes again', async () => {
    const odd = Buffer.from([0x66, 0xff, 0xfe]);
    mkdirSync(folder.at('in'));
    writeFileSync(Buffer.concat([Buffer.from(folder.at('in/')), odd]), '1');
    symlinkSync(odd, folder.at('in/link'));
    await unpack(await bytesOf(packFolder(folder.at('in'))));
    expect(readdirSync(Buffer.from(folder.at('tree')), 'buffer').map((name) => name.toString('hex'))).to.have.members([odd.toString('hex'), Buffer.from('link').toString('hex')]);
    expect(readFileSync(folder.at('tree/link'), 'utf8')).to.equal('1');
  });

  it('refuses names that lead outside', async () => {
    expect(await refusalOf([{ name: '../secret', content: 'x' }])).to.equal('the name "../secret" leads outside: it has ".." in it');
    expect(await refusalOf([{ name: 'a/../../secret', content: 'x' }])).to.contain('leads outside');
    expect(await refusalOf([{ name: '..', type: 'directory' }])).to.contain('leads outside');
    expect(await refusalOf([{ name: folder.at('secret'), content: 'x' }])).to.contain('is absolute');
  });

  it('refuses symbolic links that lead outside, and never writes through one', async () => {
    expect(await refusalOf([{ name: 'l', type: 'symlink', linkname: '..' }])).to.equal('the symbolic link "l" leads outside, to "..": leave it out, or let it be relative and stay inside');
    expect(await refusalOf([{ name: 'l', type: 'symlink', linkname: folder.path }])).to.contain('leads outside');
    expect(await refusalOf([{ name: 'l', type: 'symlink', linkname: '..' }, { name: 'l/secret', content: 'x' }])).to.equal('"l/secret" leads through "l", which is a symbolic link');
    expect(await refusalOf([{ name: 'l', type: 'symlink', linkname: 'd' }, { name: 'd', type: 'directory' }, { name: 'l/x', content: 'x' }])).to.contain('leads through');
  });

  it('refuses links that lead outside only by way of each other', async () => {
    const link = (name: string, linkname: string): TarEntry => ({ name, type: 'symlink', linkname });
    // By its text alone `out` stays inside; but `deep` is not where its text says.
    expect(await refusalOf([{ name: 'a/b/c', type: 'directory' }, link('a/b/c/deep', '../../..'), link('out', 'a/b/c/deep/..')])).to.contain('"out" leads outside');
    expect(await refusalOf([link('a/later', 'up/../..'), { name: 'x', type: 'directory' }, link('a/up', '../x')])).to.contain('"a/later" leads outside');
    expect(await refusalOf([link('one', 'two/secret'), link('two', 'three'), link('three', '..')])).to.contain('leads outside');
  });

  it('takes links that stay inside, lead nowhere, or in a circle', async () => {
    await unpack(await tarOf([
      { name: 'a/b/up', type: 'symlink', linkname: '../..' }, { name: 'self', type: 'symlink', linkname: '.' }, { name: 'gone', type: 'symlink', linkname: 'not/here' },
      { name: 'x', type: 'symlink', linkname: 'y' }, { name: 'y', type: 'symlink', linkname: 'x' },
    ]));
    expect(treeOf(folder.at('tree'))).to.deep.equal({ 'a': 'folder', 'a/b': 'folder', 'a/b/up': '-> ../..', 'gone': '-> not/here', 'self': '-> .', 'x': '-> y', 'y': '-> x' });
  });

  it('has two names for one file where the archive says so, but for none outside', async () => {
    await unpack(await tarOf([
      { name: 'a', content: 'same' }, { name: 'sub/b', type: 'link', linkname: 'a' }, { name: 'l', type: 'symlink', linkname: 'a' }, { name: 'l2', type: 'link', linkname: 'l' },
    ]));
    expect(treeOf(folder.at('tree'))).to.deep.equal({ 'a': 'same', 'l': '-> a', 'l2': '-> a', 'sub': 'folder', 'sub/b': 'same' });
    expect(lstatSync(folder.at('tree/a')).ino).to.equal(lstatSync(folder.at('tree/sub/b')).ino);
    expect(await refusalOf([{ name: 'b', type: 'link', linkname: '../secret' }])).to.contain('leads outside');
    expect(await refusalOf([{ name: 'b', type: 'link', linkname: folder.at('secret') }])).to.contain('is absolute');
    expect(await refusalOf([{ name: 'b', type: 'link', linkname: 'not-here' }])).to.equal('"b" is the same file as "not-here", which is not here');
  });

  it('has the last of several with one name', async () => {
    await unpack(await tarOf([
      { name: 'a', content: 'one' }, { name: 'a', content: 'two' }, { name: 'l', type: 'symlink', linkname: 'a' }, { name: 'l', content: 'file' },
      { name: 'f', content: 'x' }, { name: 'f', type: 'symlink', linkname: 'a' }, { name: 'd', type: 'directory' }, { name: 'd', type: 'directory' },
    ]));
    expect(treeOf(folder.at('tree'))).to.deep.equal({ a: 'two', d: 'folder', f: '-> a', l: 'file' });
    expect(await refusalOf([{ name: 'x/y', content: '' }, { name: 'x', content: '' }])).to.equal('"x" is there twice, once as a folder');
    expect(await refusalOf([{ name: 'z', content: '' }, { name: 'z/y', content: '' }])).to.equal('"z/y" leads through "z", which is a file');
  });

  it('gives nobody powers, and can be read and removed by who unpacked it', async () => {
    await unpack(await tarOf([{ name: 'run', mode: 0o6755, content: '' }, { name: 'shut', mode: 0o100000, content: '' }, { name: 'd', type: 'directory', mode: 0o1555 }, { name: 'd/x', content: '' }]));
    const mode = (name: string): string => (lstatSync(folder.at('tree', name)).mode & 0o7777).toString(8);
    expect([mode('run'), mode('shut'), mode('d')]).to.deep.equal(['755', '400', '755']);
  });

  it('has no devices and pipes', async () => {
    await unpack(await tarOf([{ name: 'null', type: 'character-device' }, { name: 'pipe', type: 'fifo' }, { name: 'a', content: 'a' }]));
    expect(treeOf(folder.at('tree'))).to.deep.equal({ a: 'a' });
  });

  it('may be as large as the bounds say, and not larger', async () => {
    const files = [{ name: 'a', content: 'x'.repeat(600) }, { name: 'b/c', content: 'x'.repeat(400) }];
    await unpack(await tarOf(files), budget(1000, 3));
    expect(await refusalOf(files, budget(999, 3))).to.equal('too much: bytes');
    expect(await refusalOf(files, budget(1000, 2))).to.equal('too much: entries');
  });

  it('that would be too large is refused before it is written', async () => {
    const header = (await tarOf([{ name: 'huge', content: 'x' }])).subarray(0, 512);
    header.write('77777777777', 124, 'latin1');
    header.fill(' ', 148, 156);
    header.write(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield header;
      for (;;) yield Buffer.alloc(65_536);
    }
    const error = await failureOf(() => new Tree(folder.at('tree'), budget()).unpack(endless()));
    expect(error.message).to.equal('too much: bytes');
    expect(readdirSync(folder.at('tree'))).to.deep.equal([]);
  });

  it('that is a bomb is stopped early, whatever it is made of', async () => {
    const zeros = Buffer.alloc(1 << 20);
    const bombs: Record<string, Buffer> = {
      'one large file': gzipSync(await tarOf([{ name: 'a', content: Buffer.alloc(64 << 20) }])),
      'zeros behind the end': gzipSync(Buffer.concat([await tarOf([]), ...Array.from({ length: 64 }, () => zeros)])),
      'very many folders': gzipSync(await tarOf(Array.from({ length: 5_000 }, (_, i) => ({ name: `d${i}`, type: 'directory' as const })))),
      'very long names': gzipSync(await tarOf(Array.from({ length: 20 }, (_, i) => ({ name: `${i}${'n'.repeat(3_000_000)}`, content: '' })))),
      'very deep names': gzipSync(await tarOf([{ name: 'd/'.repeat(1_500), type: 'directory' }])),
    };
    for (const [what, bomb] of Object.entries(bombs)) {
      const root = mkdtempSync(folder.at('tree/'));
      let read = 0;
      async function* counted(): AsyncGenerator<Uint8Array> {
        for await (const piece of plain(cut(bomb, () => 1024))) {
          read += piece.length;
          yield piece;
        }
      }
      const error = await failureOf(() => new Tree(root, budget()).unpack(counted()));
      expect(error, what).to.be.instanceOf(ArchiveError);
      expect(read, what).to.be.lessThan(8 << 20);
    }
  });

  it('is refused when it is none, broken, cut off, empty or compressed in another way', async () => {
    const bytes = await tarOf([{ name: 'a', content: 'x'.repeat(2_000) }, { name: 'b', content: 'y' }]);
    const reasonFor = async (archive: Uint8Array): Promise<string> => {
      const error = await failureOf(() => new Tree(mkdtempSync(folder.at('tree/')), budget()).unpack(plain(once(archive))));
      expect(error, error.stack).to.be.instanceOf(ArchiveError);
      return error.message;
    };
    expect(await reasonFor(Buffer.from('this is no archive'.repeat(100)))).to.equal('this is no tar archive, or it is broken');
    expect(await reasonFor(Buffer.alloc(0))).to.equal('there is no archive: not a byte came');
    expect(await reasonFor(bytes.subarray(0, 700))).to.match(/cut off/);
    expect(await reasonFor(bytes.subarray(0, 512 + 2048))).to.equal('the archive is cut off: its end is not marked');
    expect(await reasonFor(gzipSync(bytes).subarray(0, 60))).to.contain('broken');
    const wrong = gzipSync(bytes);
    wrong[40] = wrong[40]! ^ 0xff;
    expect(await reasonFor(wrong)).to.contain('broken');
    expect(await reasonFor(Buffer.from('fd377a585a0000', 'hex'))).to.equal('the archive is in the form xz: send tar, or tar with gzip');
    expect(await reasonFor(Buffer.from('504b030414000000', 'hex'))).to.contain('zip');
    const flipped = Buffer.from(bytes);
    flipped[3] = 0x41;
    expect(await reasonFor(flipped)).to.equal('this is no tar archive, or it is broken');
  });

  it('passes on what reading it throws', async () => {
    const ours = new Error('the engine went away');
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield (await tarOf([{ name: 'a', content: 'x'.repeat(2_000) }])).subarray(0, 1000);
      throw ours;
    }
    expect(await failureOf(() => new Tree(folder.at('tree'), budget()).unpack(broken()))).to.equal(ours);
    expect(await failureOf(() => new Tree(mkdtempSync(folder.at('tree/')), budget()).unpack(plain(broken())))).to.equal(ours);
  });

  it('is refused when the disk does', async () => {
    const error = await failureOf(async () => unpack(await tarOf([{ name: `${'n'.repeat(300)}`, content: '' }])));
    expect(error).to.be.instanceOf(ArchiveError);
    expect(error.message).to.match(/^cannot write "n+": name too long$/);
    expect(error.message).not.to.contain(folder.path);
  });

  it('never leads outside, whatever links it is made of', async () => {
    const whole = wholeFrom(20_261_125);
    const parts = ['a', 'b', 'c', '..', '.', 'd'];
    const pathOf = (most: number): string => Array.from({ length: 1 + whole(most) }, () => parts[whole(parts.length)]!).join('/');
    let taken = 0;
    for (let round = 0; round < 400; round++) {
      const root = folder.at('tree', `r${round}`);
      mkdirSync(root);
      const entries: TarEntry[] = Array.from({ length: 1 + whole(6) }, () => {
        const name = pathOf(3).replaceAll('..', 'e').replaceAll('.', 'f');
        switch (whole(4)) {
          case 0: return { name, type: 'directory' };
          case 1: return { name, content: 'x' };
          default: return { name, type: 'symlink', linkname: pathOf(4) };
        }
      });
      try {
        await new Tree(root, budget()).unpack(once(await tarOf(entries)));
        taken++;
      } catch (error) {
        expect(error).to.be.instanceOf(ArchiveError);
        rmSync(root, { recursive: true });
        continue;
      }
      for (const [name, what] of Object.entries(treeOf(root))) {
        if (!what.startsWith('-> ')) continue;
        const at = whereItLeads(join(root, name));
        if (at !== undefined) expect(at === root || at.startsWith(`${root}/`), `${JSON.stringify(entries)}: ${name} leads to ${at}`).to.equal(true);
      }
      rmSync(root, { recursive: true });
    }
    expect(taken).to.be.greaterThan(60);
    expect(existsSync(folder.at('secret'))).to.equal(true);
  });
});

/** As the kernel finds it; undefined when it finds nothing. */
function whereItLeads(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}
