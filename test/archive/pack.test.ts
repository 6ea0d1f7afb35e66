// Tests how folders are packed into tar archives, and the .gitignore filter.

import { spawnSync } from 'node:child_process';
import { once as event } from 'node:events';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { appendFile, truncate } from 'node:fs/promises';
import { createServer } from 'node:net';
import { expect } from 'chai';
import { ArchiveError } from '../../server/archive/archive-error.ts';
import { filterByGitignore } from '../../server/archive/gitignore.ts';
import { type ArchiveStats, packFolder, packFolders } from '../../server/archive/pack.ts';
import { readEntries } from '../../server/archive/read-entries.ts';
import { catchError, readBytes, readFolder, untar, useTempFolder, writeFiles } from '../helpers/archive/file-trees.ts';

describe('packFolder', () => {
  const folder = useTempFolder();

  it('tar restores a packed folder with its links, empty folders, modes and times', async () => {
    writeFiles(folder.at('in'), {
      'a.txt': 'one',
      'sub/b.txt': 'two',
      'sub/empty/': '',
      'to-a': { to: 'a.txt' },
      nowhere: { to: '../../gone' },
      'to-sub': { to: 'sub' },
    });
    chmodSync(folder.at('in/a.txt'), 0o751);
    chmodSync(folder.at('in/sub/empty'), 0o2700);
    utimesSync(folder.at('in/a.txt'), 1_000_000_000, 1_000_000_001);
    utimesSync(folder.at('in/sub'), 5, 5);
    untar(await readBytes(packFolder(folder.at('in'))), folder.at('out'));
    expect(readFolder(folder.at('out'))).to.deep.equal(readFolder(folder.at('in')));
    expect(lstatSync(folder.at('out/a.txt')).mode & 0o7777).to.equal(0o751);
    expect(lstatSync(folder.at('out/sub/empty')).mode & 0o7777).to.equal(0o2700);
    expect(lstatSync(folder.at('out/a.txt')).mtimeMs).to.equal(1_000_000_001_000);
    expect(lstatSync(folder.at('out/sub')).mtimeMs).to.equal(5_000);
  });

  it('all entries of a packed folder belong to root, and the archive has no entry for the folder itself', async () => {
    writeFiles(folder.at('in'), { 'a/b': 'x' });
    const listed = spawnSync('tar', ['--list', '--verbose', '--numeric-owner'], {
      input: await readBytes(packFolder(folder.at('in'))),
    })
      .stdout.toString()
      .trim()
      .split('\n');
    expect(listed.map((line) => line.split(/\s+/)[1])).to.deep.equal(['0/0', '0/0']);
    expect(listed.map((line) => line.split(/\s+/).at(-1))).to.deep.equal(['a/', 'a/b']);
  });

  it('packing keeps names and link targets of any bytes and any length', async () => {
    const long = 'long-'.repeat(40);
    writeFiles(folder.at('in'), {
      [`${long}/${long}/${long}`]: 'deep',
      'süß 🙂': 'utf8',
      'new\nline': 'nl',
      link: { to: `${long}/${long}` },
    });
    untar(await readBytes(packFolder(folder.at('in'))), folder.at('out'));
    expect(readFolder(folder.at('out'))).to.deep.equal(readFolder(folder.at('in')));
    const noText = Buffer.from([0xff, 0x80, 0x41]);
    mkdirSync(folder.at('odd'));
    writeFileSync(Buffer.concat([Buffer.from(folder.at('odd/')), noText]), '1');
    writeFileSync(Buffer.concat([Buffer.from(folder.at('odd/')), noText, Buffer.from('x'.repeat(200))]), '2');
    untar(await readBytes(packFolder(folder.at('odd'))), folder.at('odd-out'));
    const names = (root: string): string[] =>
      readdirSync(Buffer.from(folder.at(root)), 'buffer')
        .map((name) => name.toString('hex'))
        .sort();
    expect(names('odd-out')).to.deep.equal(names('odd'));
  });

  it('readEntries returns the names that were packed', async () => {
    writeFiles(folder.at('in'), { süß: '1', 'sub/empty/': '', [`${'x'.repeat(150)}/y`]: '22' });
    const seen: string[] = [];
    for await (const { shown, kind, size } of readEntries(packFolder(folder.at('in'))))
      seen.push(`${kind} ${shown} ${size}`);
    expect(seen).to.deep.equal(
      [
        `folder sub/ 0`,
        `folder sub/empty/ 0`,
        'file süß 1',
        `folder ${'x'.repeat(150)}/ 0`,
        `file ${'x'.repeat(150)}/y 2`,
      ].sort((a, b) => Buffer.compare(Buffer.from(a.split(' ')[1]!), Buffer.from(b.split(' ')[1]!))),
    );
  });

  it('packing skips sockets and pipes and reports them', async () => {
    writeFiles(folder.at('in'), { a: 'a' });
    const server = createServer().listen(folder.at('in/socket'));
    await event(server, 'listening');
    spawnSync('mkfifo', [folder.at('in/pipe')]);
    const warnings: string[] = [];
    try {
      untar(
        await readBytes(packFolder(folder.at('in'), { onWarning: (path, what) => warnings.push(`${path}: ${what}`) })),
        folder.at('out'),
      );
    } finally {
      server.close();
    }
    expect(readFolder(folder.at('out'))).to.deep.equal({ a: 'a' });
    expect(warnings).to.deep.equal(['pipe', 'socket'].map((name) => `${name}: not a file, folder or link: left out`));
  });

  it('packing reports the number of files and bytes so far after each entry', async () => {
    writeFiles(folder.at('in'), { a: '12345', 'sub/b': '123', 'sub/c': { to: 'b' }, 'sub/empty/': '' });
    const counted: ArchiveStats[] = [];
    await readBytes(packFolder(folder.at('in'), { onPacked: (tally) => counted.push(tally) }));
    expect(counted.at(-1)).to.deep.equal({ files: 3, bytes: 8 });
    expect(counted).to.have.length(5);
  });

  it('packing pads a file that shrinks, cuts one that grows, and reports both', async () => {
    writeFiles(folder.at('in'), {
      'a-first': Buffer.alloc(1 << 20, 1),
      'b-shrinks': Buffer.alloc(1 << 20, 2),
      'c-grows': Buffer.alloc(1 << 20, 3),
      'd-last': 'whole',
    });
    const warnings: string[] = [];
    const pieces: Uint8Array[] = [];
    let read = 0;
    for await (const piece of packFolder(folder.at('in'), {
      onWarning: (path, what) => warnings.push(`${path} ${what}`),
    })) {
      pieces.push(piece);
      read += piece.length;
      if (read > (1 << 20) + (300 << 10) && lstatSync(folder.at('in/b-shrinks')).size === 1 << 20)
        await truncate(folder.at('in/b-shrinks'), 400 << 10);
      if (read > (2 << 20) + (300 << 10) && lstatSync(folder.at('in/c-grows')).size === 1 << 20)
        await appendFile(folder.at('in/c-grows'), 'more');
    }
    untar(Buffer.concat(pieces), folder.at('out'));
    const shrunk = readFileSync(folder.at('out/b-shrinks'));
    expect(shrunk.length).to.equal(1 << 20);
    expect(shrunk.at(-1)).to.equal(0);
    expect(readFileSync(folder.at('out/c-grows')).equals(Buffer.alloc(1 << 20, 3))).to.equal(true);
    expect(readFileSync(folder.at('out/d-last'), 'utf8')).to.equal('whole');
    expect(warnings).to.deep.equal([
      'b-shrinks shrank while it was read: padded with zeros',
      'c-grows grew while it was read: the new content is left out',
    ]);
  });

  it('packing skips a file that disappears before it is read', async () => {
    const between = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`a${i}`, '']));
    writeFiles(folder.at('in'), {
      a: Buffer.alloc(256 << 10),
      ...between,
      b: 'gone',
      large: Buffer.alloc(256 << 10),
      'sub/c': 'gone',
      z: 'here',
    });
    const warnings: string[] = [];
    const pieces: Uint8Array[] = [];
    for await (const piece of packFolder(folder.at('in'), { onWarning: (path) => warnings.push(path) })) {
      if (pieces.length === 0) spawnSync('rm', ['-r', folder.at('in/b'), folder.at('in/large'), folder.at('in/sub')]);
      pieces.push(piece);
    }
    untar(Buffer.concat(pieces), folder.at('out'));
    expect(Object.keys(readFolder(folder.at('out')))).to.deep.equal(['a', ...Object.keys(between).sort(), 'z']);
    expect(warnings).to.have.members(['b', 'large', 'sub']);
  });

  it('packing fails for an unreadable file or folder, with its name, and for a missing root', async () => {
    writeFiles(folder.at('in'), { 'sub/shut': 'x' });
    chmodSync(folder.path, 0o755);
    chmodSync(folder.at('in/sub/shut'), 0o000);
    const here = process.cwd();
    const packAsOtherUser = async (root: string): Promise<Error> => {
      // Root can read everything, so read as another user.
      const root0 = process.geteuid?.() === 0;
      process.chdir(folder.path);
      if (root0) process.seteuid?.(65_534);
      try {
        return await catchError(() => readBytes(packFolder(root)));
      } finally {
        if (root0) process.seteuid?.(0);
        process.chdir(here);
      }
    };
    const file = await packAsOtherUser('in');
    expect(file).to.be.instanceOf(ArchiveError);
    expect(file.message).to.equal('cannot read "sub/shut": permission denied');
    chmodSync(folder.at('in/sub'), 0o000);
    expect((await packAsOtherUser('in')).message).to.equal('cannot read "sub": permission denied');
    chmodSync(folder.at('in/sub'), 0o755);
    const gone = await catchError(() => readBytes(packFolder(folder.at('gone'))));
    expect(gone).to.be.instanceOf(ArchiveError);
    expect(gone.message).to.equal('cannot read the folder: no such file or directory');
  });

  it('packing filters a folder before its contents, and does not enter an excluded folder', async () => {
    writeFiles(folder.at('in'), { 'a/b': '', 'out/c/d': '', e: '' });
    const filtered: string[] = [];
    await readBytes(
      packFolder(folder.at('in'), {
        filter: (path, isFolder) => {
          filtered.push(isFolder ? `${path}/` : path);
          return path === 'out' ? 'exclude' : 'include';
        },
      }),
    );
    expect(filtered).to.have.members(['a/', 'a/b', 'out/', 'e']);
    expect(filtered.indexOf('a/')).to.be.lessThan(filtered.indexOf('a/b'));
  });

  it('packing includes a folder filtered as "descend" only if something in it is included', async () => {
    writeFiles(folder.at('in'), { 'x/y/kept': '1', 'x/z/left': '2', 'v/left': '3' });
    untar(
      await readBytes(
        packFolder(folder.at('in'), {
          filter: (path, isFolder) => (path.endsWith('kept') ? 'include' : isFolder ? 'descend' : 'exclude'),
        }),
      ),
      folder.at('out'),
    );
    expect(readFolder(folder.at('out'))).to.deep.equal({ x: 'folder', 'x/y': 'folder', 'x/y/kept': '1' });
  });

  it('packFolders merges folders, prefers the files of later folders, and adds prefixes', async () => {
    writeFiles(folder.at('one'), { a: 'one', b: 'one' });
    writeFiles(folder.at('two'), { b: 'two' });
    untar(
      await readBytes(
        packFolders([
          { root: folder.at('one') },
          { root: folder.at('two') },
          { root: folder.at('two'), prefix: 'dist/x' },
          { root: folder.at('none'), optional: true },
        ]),
      ),
      folder.at('out'),
    );
    expect(readFolder(folder.at('out'))).to.deep.equal({
      a: 'one',
      b: 'two',
      dist: 'folder',
      'dist/x': 'folder',
      'dist/x/b': 'two',
    });
  });

  it('packing stores two hard links to a file as two files', async () => {
    writeFiles(folder.at('in'), { a: 'same' });
    linkSync(folder.at('in/a'), folder.at('in/b'));
    untar(await readBytes(packFolder(folder.at('in'))), folder.at('out'));
    expect(readFolder(folder.at('out'))).to.deep.equal({ a: 'same', b: 'same' });
  });

  it('packing stores a size above 8 GiB in a form that other programs read', async () => {
    mkdirSync(folder.at('in'));
    writeFileSync(folder.at('in/huge'), '');
    truncateSync(folder.at('in/huge'), 9 * 2 ** 30);
    let start: Uint8Array | undefined;
    for await (const piece of packFolder(folder.at('in'))) {
      start = piece;
      break;
    }
    const listed = spawnSync('tar', ['--list', '--verbose'], { input: start }).stdout.toString();
    expect(listed).to.match(new RegExp(`\\s${9 * 2 ** 30}\\s.*huge`));
  });

  it('packing closes its open file when the consumer stops early', async () => {
    writeFiles(folder.at('in'), { a: Buffer.alloc(4 << 20) });
    for await (const _piece of packFolder(folder.at('in'))) break;
    const opened = readdirSync('/proc/self/fd').filter(
      (fd) => existsSync(`/proc/self/fd/${fd}`) && lstatSync(`/proc/self/fd/${fd}`).isSymbolicLink(),
    );
    const paths = opened.map((fd) =>
      spawnSync('readlink', [`/proc/${process.pid}/fd/${fd}`])
        .stdout.toString()
        .trim(),
    );
    expect(paths.filter((path) => path.startsWith(folder.path))).to.deep.equal([]);
  });
});

describe('filterByGitignore', () => {
  it('the gitignore filter excludes what git would exclude', () => {
    const filter = filterByGitignore([
      '# comment',
      '*.log',
      '!keep.log',
      '/build/',
      'deep/**/x',
      '.env*',
      'c++/',
      '',
      'space\\ ',
      '[ab].txt',
    ]);
    const verdicts = Object.entries({
      'a.log': 'exclude',
      'sub/a.log': 'exclude',
      'keep.log': 'include',
      'a.logs': 'include',
      'src/build': 'include',
      'deep/1/2/x': 'exclude',
      '.env.local': 'exclude',
      'src/client.ts': 'include',
      'a.txt': 'exclude',
      'c.txt': 'include',
      'A.LOG': 'include',
      '# comment': 'include',
      build: 'include',
      'c++': 'include',
      'space ': 'exclude',
    });
    for (const [path, verdict] of verdicts) expect(filter(path, false), path).to.equal(verdict);
    expect(filter('build', true)).to.equal('exclude');
    expect(filter('src/c++', true)).to.equal('exclude');
  });

  it('the gitignore filter ignores invalid patterns', () => {
    for (const pattern of ['[', '\\', '[z-a]', '***[', '(', '!', '/', '\0']) {
      const filter = filterByGitignore([pattern]);
      expect(
        ['a', 'src/client.ts', '.x'].map((path) => filter(path, false)),
        pattern,
      ).to.deep.equal(['include', 'include', 'include']);
    }
  });

  it('the gitignore filter gives the same results after tens of thousands of paths', () => {
    const filter = filterByGitignore(['*.o']);
    for (let i = 0; i < 25_000; i++)
      expect(filter(`d${i}/x.o`, false) + filter(`d${i}/x.c`, false)).to.equal('excludeinclude');
  });
});
