// Tests the extraction of untrusted archives: restored files, rejected names and links, quotas.

import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { ArchiveError } from '../../server/archive/archive-error.ts';
import { ArchiveExtractor } from '../../server/archive/extract.ts';
import { compress, decompress } from '../../server/archive/gzip.ts';
import { packFolder } from '../../server/archive/pack.ts';
import { Quota } from '../../server/archive/quota.ts';
import {
  catchError,
  createTar,
  readBytes,
  readFolder,
  singleChunk,
  splitBytes,
  type TarEntry,
  useTempFolder,
  writeFiles,
} from '../helpers/archive/file-trees.ts';
import { createRandomInteger, seeds } from '../helpers/seeded-random.ts';

const testQuota = (bytesMax = 1 << 20, entriesMax = 1000): Quota =>
  new Quota({ bytesMax, entriesMax, quotaMessage: (of) => `too much: ${of}` });

describe('ArchiveExtractor', () => {
  const folder = useTempFolder();
  beforeEach(() => {
    mkdirSync(folder.at('tree'));
    writeFileSync(folder.at('secret'), 'unchanged');
  });
  const unpack = (bytes: Uint8Array, quota = testQuota()): Promise<void> =>
    new ArchiveExtractor(folder.at('tree'), quota).extract(singleChunk(bytes));

  /**
   * Extracts entries that must be rejected and returns the message. Checks that nothing outside the target folder has
   * changed.
   */
  async function rejectExtraction(entries: readonly TarEntry[], quota = testQuota()): Promise<string> {
    rmSync(folder.at('tree'), { recursive: true });
    mkdirSync(folder.at('tree'));
    const error = await catchError(async () => unpack(await createTar(entries), quota));
    expect(error, error.stack).to.be.instanceOf(ArchiveError);
    expect(readdirSync(folder.path).sort()).to.deep.equal(['secret', 'tree']);
    expect(readFileSync(folder.at('secret'), 'utf8')).to.equal('unchanged');
    return error.message;
  }

  it('the extractor restores the packed files, gzipped or not, however the archive is split', async () => {
    writeFiles(folder.at('in'), {
      a: 'one',
      'sub/empty/': '',
      'sub/b': 'x'.repeat(100_000),
      'to-a': { to: 'a' },
      'sub/up': { to: '../a' },
      dangling: { to: 'not/there' },
      'süß/🙂': 'utf8',
      [`${'n'.repeat(120)}/${'m'.repeat(120)}`]: '',
    });
    chmodSync(folder.at('in/a'), 0o640);
    const whole = createRandomInteger(7);
    for (const archive of [packFolder(folder.at('in')), compress(packFolder(folder.at('in')))]) {
      const bytes = await readBytes(archive);
      for (const most of [13, 700, 70_000]) {
        const root = mkdtempSync(folder.at('tree/'));
        await new ArchiveExtractor(root, testQuota()).extract(decompress(splitBytes(bytes, () => whole(most))));
        expect(readFolder(root)).to.deep.equal(readFolder(folder.at('in')));
        expect(lstatSync(join(root, 'a')).mode & 0o7777).to.equal(0o640);
        expect(lstatSync(join(root, 'a')).mtimeMs).to.equal(
          Math.floor(lstatSync(folder.at('in/a')).mtimeMs / 1000) * 1000,
        );
      }
    }
  });

  it('the extractor restores names of arbitrary bytes', async () => {
    const odd = Buffer.from([0x66, 0xff, 0xfe]);
    mkdirSync(folder.at('in'));
    writeFileSync(Buffer.concat([Buffer.from(folder.at('in/')), odd]), '1');
    symlinkSync(odd, folder.at('in/link'));
    await unpack(await readBytes(packFolder(folder.at('in'))));
    expect(readdirSync(Buffer.from(folder.at('tree')), 'buffer').map((name) => name.toString('hex'))).to.have.members([
      odd.toString('hex'),
      Buffer.from('link').toString('hex'),
    ]);
    expect(readFileSync(folder.at('tree/link'), 'utf8')).to.equal('1');
  });

  it('the extractor rejects names that lead out of the target folder', async () => {
    expect(await rejectExtraction([{ name: '../secret', content: 'x' }])).to.equal(
      'the name "../secret" leads outside: it contains ".."',
    );
    expect(await rejectExtraction([{ name: 'a/../../secret', content: 'x' }])).to.contain('leads outside');
    expect(await rejectExtraction([{ name: '..', type: 'directory' }])).to.contain('leads outside');
    expect(await rejectExtraction([{ name: folder.at('secret'), content: 'x' }])).to.contain('is absolute');
  });

  it('the extractor rejects symbolic links out of the target folder, and never writes through a link', async () => {
    expect(await rejectExtraction([{ name: 'l', type: 'symlink', linkname: '..' }])).to.equal(
      'the symbolic link "l" leads outside, to "..": leave it out, or make it relative and keep its target inside',
    );
    expect(await rejectExtraction([{ name: 'l', type: 'symlink', linkname: folder.path }])).to.contain('leads outside');
    expect(
      await rejectExtraction([
        { name: 'l', type: 'symlink', linkname: '..' },
        { name: 'l/secret', content: 'x' },
      ]),
    ).to.equal('"l/secret" leads through "l", which is a symbolic link');
    expect(
      await rejectExtraction([
        { name: 'l', type: 'symlink', linkname: 'd' },
        { name: 'd', type: 'directory' },
        { name: 'l/x', content: 'x' },
      ]),
    ).to.contain('leads through');
  });

  it('the extractor rejects links that together lead out of the target folder', async () => {
    const link = (name: string, linkname: string): TarEntry => ({ name, type: 'symlink', linkname });
    // As text, `a/b/c/deep/..` is `a/b/c`. But `deep` leads to the target folder itself, so `..` leads out of it.
    expect(
      await rejectExtraction([
        { name: 'a/b/c', type: 'directory' },
        link('a/b/c/deep', '../../..'),
        link('out', 'a/b/c/deep/..'),
      ]),
    ).to.contain('"out" leads outside');
    expect(
      await rejectExtraction([link('a/later', 'up/../..'), { name: 'x', type: 'directory' }, link('a/up', '../x')]),
    ).to.contain('"a/later" leads outside');
    expect(await rejectExtraction([link('one', 'two/secret'), link('two', 'three'), link('three', '..')])).to.contain(
      'leads outside',
    );
  });

  it('the extractor accepts links that stay in the target folder, are dangling, or are circular', async () => {
    await unpack(
      await createTar([
        { name: 'a/b/up', type: 'symlink', linkname: '../..' },
        { name: 'self', type: 'symlink', linkname: '.' },
        { name: 'gone', type: 'symlink', linkname: 'not/here' },
        { name: 'x', type: 'symlink', linkname: 'y' },
        { name: 'y', type: 'symlink', linkname: 'x' },
      ]),
    );
    expect(readFolder(folder.at('tree'))).to.deep.equal({
      a: 'folder',
      'a/b': 'folder',
      'a/b/up': '-> ../..',
      gone: '-> not/here',
      self: '-> .',
      x: '-> y',
      y: '-> x',
    });
  });

  it('the extractor creates hard links to files of the archive, and rejects hard links to any other file', async () => {
    await unpack(
      await createTar([
        { name: 'a', content: 'same' },
        { name: 'sub/b', type: 'link', linkname: 'a' },
        { name: 'l', type: 'symlink', linkname: 'a' },
        { name: 'l2', type: 'link', linkname: 'l' },
      ]),
    );
    expect(readFolder(folder.at('tree'))).to.deep.equal({
      a: 'same',
      l: '-> a',
      l2: '-> a',
      sub: 'folder',
      'sub/b': 'same',
    });
    expect(lstatSync(folder.at('tree/a')).ino).to.equal(lstatSync(folder.at('tree/sub/b')).ino);
    expect(await rejectExtraction([{ name: 'b', type: 'link', linkname: '../secret' }])).to.contain('leads outside');
    expect(await rejectExtraction([{ name: 'b', type: 'link', linkname: folder.at('secret') }])).to.contain(
      'is absolute',
    );
    expect(await rejectExtraction([{ name: 'b', type: 'link', linkname: 'not-here' }])).to.equal(
      '"b" is a hard link to "not-here", which is not in the archive or not extracted',
    );
  });

  it('the extractor keeps the last of several entries with one name', async () => {
    await unpack(
      await createTar([
        { name: 'a', content: 'one' },
        { name: 'a', content: 'two' },
        { name: 'l', type: 'symlink', linkname: 'a' },
        { name: 'l', content: 'file' },
        { name: 'f', content: 'x' },
        { name: 'f', type: 'symlink', linkname: 'a' },
        { name: 'd', type: 'directory' },
        { name: 'd', type: 'directory' },
      ]),
    );
    expect(readFolder(folder.at('tree'))).to.deep.equal({ a: 'two', d: 'folder', f: '-> a', l: 'file' });
    expect(
      await rejectExtraction([
        { name: 'x/y', content: '' },
        { name: 'x', content: '' },
      ]),
    ).to.equal('"x" occurs twice, once as a folder');
    expect(
      await rejectExtraction([
        { name: 'z', content: '' },
        { name: 'z/y', content: '' },
      ]),
    ).to.equal('"z/y" leads through "z", which is a file');
  });

  it('the extractor drops set-user-id bits, and leaves everything readable and removable by the gateway', async () => {
    await unpack(
      await createTar([
        { name: 'run', mode: 0o6755, content: '' },
        { name: 'shut', mode: 0o100000, content: '' },
        { name: 'd', type: 'directory', mode: 0o1555 },
        { name: 'd/x', content: '' },
      ]),
    );
    const mode = (name: string): string => (lstatSync(folder.at('tree', name)).mode & 0o7777).toString(8);
    expect([mode('run'), mode('shut'), mode('d')]).to.deep.equal(['755', '400', '755']);
  });

  it('the extractor skips devices and pipes', async () => {
    await unpack(
      await createTar([
        { name: 'null', type: 'character-device' },
        { name: 'pipe', type: 'fifo' },
        { name: 'a', content: 'a' },
      ]),
    );
    expect(readFolder(folder.at('tree'))).to.deep.equal({ a: 'a' });
  });

  it('the extractor accepts an archive exactly at the limits, and rejects a larger one', async () => {
    const files = [
      { name: 'a', content: 'x'.repeat(600) },
      { name: 'b/c', content: 'x'.repeat(400) },
    ];
    await unpack(await createTar(files), testQuota(1000, 3));
    expect(await rejectExtraction(files, testQuota(999, 3))).to.equal('too much: bytes');
    expect(await rejectExtraction(files, testQuota(1000, 2))).to.equal('too much: entries');
  });

  it('the extractor rejects an entry that exceeds the quota before writing it', async () => {
    const header = (await createTar([{ name: 'huge', content: 'x' }])).subarray(0, 512);
    header.write('77777777777', 124, 'latin1');
    header.fill(' ', 148, 156);
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
      'latin1',
    );
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield header;
      for (;;) yield Buffer.alloc(65_536);
    }
    const error = await catchError(() => new ArchiveExtractor(folder.at('tree'), testQuota()).extract(endless()));
    expect(error.message).to.equal('too much: bytes');
    expect(readdirSync(folder.at('tree'))).to.deep.equal([]);
  });

  it('the extractor rejects every kind of archive bomb before it has read 8 MiB', async () => {
    const zeros = Buffer.alloc(1 << 20);
    const bombs: Record<string, Buffer> = {
      'one large file': gzipSync(await createTar([{ name: 'a', content: Buffer.alloc(24 << 20) }])),
      'zeros behind the end': gzipSync(
        Buffer.concat([await createTar([]), ...Array.from({ length: 24 }, () => zeros)]),
      ),
      'very many folders': gzipSync(
        await createTar(Array.from({ length: 5_000 }, (_, i) => ({ name: `d${i}`, type: 'directory' as const }))),
      ),
      'very long names': gzipSync(
        await createTar(Array.from({ length: 8 }, (_, i) => ({ name: `${i}${'n'.repeat(3_000_000)}`, content: '' }))),
      ),
      'very deep names': gzipSync(await createTar([{ name: 'd/'.repeat(1_500), type: 'directory' }])),
    };
    for (const [what, bomb] of Object.entries(bombs)) {
      const root = mkdtempSync(folder.at('tree/'));
      let read = 0;
      async function* counted(): AsyncGenerator<Uint8Array> {
        for await (const piece of decompress(splitBytes(bomb, () => 1024))) {
          read += piece.length;
          yield piece;
        }
      }
      const error = await catchError(() => new ArchiveExtractor(root, testQuota()).extract(counted()));
      expect(error, what).to.be.instanceOf(ArchiveError);
      expect(read, what).to.be.lessThan(8 << 20);
    }
  });

  it('the extractor rejects data that is broken, cut off, empty, not tar or compressed in another format', async () => {
    const bytes = await createTar([
      { name: 'a', content: 'x'.repeat(2_000) },
      { name: 'b', content: 'y' },
    ]);
    const extractionError = async (archive: Uint8Array): Promise<string> => {
      const error = await catchError(() =>
        new ArchiveExtractor(mkdtempSync(folder.at('tree/')), testQuota()).extract(decompress(singleChunk(archive))),
      );
      expect(error, error.stack).to.be.instanceOf(ArchiveError);
      return error.message;
    };
    expect(await extractionError(Buffer.from('this is no archive'.repeat(100)))).to.equal(
      'this is not a tar archive, or it is broken',
    );
    expect(await extractionError(Buffer.alloc(0))).to.equal('there is no archive: received no data');
    expect(await extractionError(bytes.subarray(0, 700))).to.match(/cut off/);
    expect(await extractionError(bytes.subarray(0, 512 + 2048))).to.equal(
      'the archive is cut off: its end marker is missing',
    );
    expect(await extractionError(gzipSync(bytes).subarray(0, 60))).to.contain('broken');
    const wrong = gzipSync(bytes);
    wrong[40] = wrong[40]! ^ 0xff;
    expect(await extractionError(wrong)).to.contain('broken');
    expect(await extractionError(Buffer.from('fd377a585a0000', 'hex'))).to.equal(
      'the archive has the format xz: send tar, or tar with gzip',
    );
    expect(await extractionError(Buffer.from('504b030414000000', 'hex'))).to.contain('zip');
    const corrupt = Buffer.from(bytes);
    corrupt[3] = 0x41;
    expect(await extractionError(corrupt)).to.equal('this is not a tar archive, or it is broken');
  });

  it('the extractor rejects with the error of its source', async () => {
    const sourceError = new Error('the engine went away');
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield (await createTar([{ name: 'a', content: 'x'.repeat(2_000) }])).subarray(0, 1000);
      throw sourceError;
    }
    expect(await catchError(() => new ArchiveExtractor(folder.at('tree'), testQuota()).extract(broken()))).to.equal(
      sourceError,
    );
    expect(
      await catchError(() =>
        new ArchiveExtractor(mkdtempSync(folder.at('tree/')), testQuota()).extract(decompress(broken())),
      ),
    ).to.equal(sourceError);
  });

  it('the extractor rejects an archive if a file cannot be written', async () => {
    const error = await catchError(async () => unpack(await createTar([{ name: `${'n'.repeat(300)}`, content: '' }])));
    expect(error).to.be.instanceOf(ArchiveError);
    expect(error.message).to.match(/^cannot write "n+": name too long$/);
    expect(error.message).not.to.contain(folder.path);
  });

  it('the extractor lets no random combination of links lead out of the target folder', async () => {
    const parts = ['a', 'b', 'c', '..', '.', 'd'];
    const rounds = seeds(400);
    let taken = 0;
    for (const seed of rounds) {
      const whole = createRandomInteger(seed);
      const pathOf = (most: number): string =>
        Array.from({ length: 1 + whole(most) }, () => parts[whole(parts.length)]!).join('/');
      const root = folder.at('tree', `r${seed}`);
      mkdirSync(root);
      const entries: TarEntry[] = Array.from({ length: 1 + whole(6) }, () => {
        const name = pathOf(3).replaceAll('..', 'e').replaceAll('.', 'f');
        switch (whole(4)) {
          case 0:
            return { name, type: 'directory' };
          case 1:
            return { name, content: 'x' };
          default:
            return { name, type: 'symlink', linkname: pathOf(4) };
        }
      });
      try {
        await new ArchiveExtractor(root, testQuota()).extract(singleChunk(await createTar(entries)));
        taken++;
      } catch (error) {
        expect(error).to.be.instanceOf(ArchiveError);
        rmSync(root, { recursive: true });
        continue;
      }
      for (const [name, what] of Object.entries(readFolder(root))) {
        if (!what.startsWith('-> ')) continue;
        const at = linkTarget(join(root, name));
        if (at !== undefined)
          expect(
            at === root || at.startsWith(`${root}/`),
            `seed ${seed}: ${JSON.stringify(entries)}: ${name} leads to ${at}`,
          ).to.equal(true);
      }
      rmSync(root, { recursive: true });
    }
    expect(taken / rounds.length).to.be.greaterThan(60 / 400);
    expect(existsSync(folder.at('secret'))).to.equal(true);
  });
});

/** Returns the path as the kernel resolves it; undefined when nothing is there. */
function linkTarget(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}
