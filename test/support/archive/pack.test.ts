import { expect } from 'chai';
import { chmodSync, existsSync, linkSync, lstatSync, mkdirSync, readFileSync, readdirSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { appendFile, open, truncate } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once as event } from 'node:events';
import { spawnSync } from 'node:child_process';
import { ArchiveError } from '../../../server/support/archive/archive-error.ts';
import { entriesOf } from '../../../server/support/archive/entries.ts';
import { judgeByGitignore } from '../../../server/support/archive/gitignore.ts';
import { packFolder, packFolders, type Tally } from '../../../server/support/archive/pack.ts';
import { bytesOf, failureOf, make, ownFolder, treeOf, untar } from '../../helpers/trees.ts';

describe('a packed folder', () => {
  const folder = ownFolder();

  it('comes out of tar as it was: links, empty folders, modes and times', async () => {
    make(folder.at('in'), { 'a.txt': 'one', 'sub/b.txt': 'two', 'sub/empty/': '', 'to-a': { to: 'a.txt' }, 'nowhere': { to: '../../gone' }, 'to-sub': { to: 'sub' } });
    chmodSync(folder.at('in/a.txt'), 0o751);
    chmodSync(folder.at('in/sub/empty'), 0o2700);
    utimesSync(folder.at('in/a.txt'), 1_000_000_000, 1_000_000_001);
    utimesSync(folder.at('in/sub'), 5, 5);
    untar(await bytesOf(packFolder(folder.at('in'))), folder.at('out'));
    expect(treeOf(folder.at('out'))).to.deep.equal(treeOf(folder.at('in')));
    expect(lstatSync(folder.at('out/a.txt')).mode & 0o7777).to.equal(0o751);
    expect(lstatSync(folder.at('out/sub/empty')).mode & 0o7777).to.equal(0o2700);
    expect(lstatSync(folder.at('out/a.txt')).mtimeMs).to.equal(1_000_000_001_000);
    expect(lstatSync(folder.at('out/sub')).mtimeMs).to.equal(5_000);
  });

  it('belongs to root, and its own folder is not in it', async () => {
    make(folder.at('in'), { 'a/b': 'x' });
    const listed = spawnSync('tar', ['--list', '--verbose', '--numeric-owner'], { input: await bytesOf(packFolder(folder.at('in'))) }).stdout.toString().trim().split('\n');
    expect(listed.map((line) => line.split(/\s+/)[1])).to.deep.equal(['0/0', '0/0']);
    expect(listed.map((line) => line.split(/\s+/).at(-1))).to.deep.equal(['a/', 'a/b']);
  });

  it('keeps names of any bytes and any length, and targets of links', async () => {
    const long = 'long-'.repeat(40);
    make(folder.at('in'), { [`${long}/${long}/${long}`]: 'deep', 'süß 🙂': 'utf8', 'new\nline': 'nl', 'link': { to: `${long}/${long}` } });
    untar(await bytesOf(packFolder(folder.at('in'))), folder.at('out'));
    expect(treeOf(folder.at('out'))).to.deep.equal(treeOf(folder.at('in')));
    const noText = Buffer.from([0xff, 0x80, 0x41]);
    mkdirSync(folder.at('odd'));
    writeFileSync(Buffer.concat([Buffer.from(folder.at('odd/')), noText]), '1');
    writeFileSync(Buffer.concat([Buffer.from(folder.at('odd/')), noText, Buffer.from('x'.repeat(200))]), '2');
    untar(await bytesOf(packFolder(folder.at('odd'))), folder.at('odd-out'));
    const names = (root: string): string[] => readdirSync(Buffer.from(folder.at(root)), 'buffer').map((name) => name.toString('hex')).sort();
    expect(names('odd-out')).to.deep.equal(names('odd'));
  });

  it('comes out of our own reader with the same names', async () => {
    make(folder.at('in'), { 'süß': '1', 'sub/empty/': '', [`${'x'.repeat(150)}/y`]: '22' });
    const seen: string[] = [];
    for await (const { shown, kind, size } of entriesOf(packFolder(folder.at('in')))) seen.push(`${kind} ${shown} ${size}`);
    expect(seen).to.deep.equal([`folder sub/ 0`, `folder sub/empty/ 0`, 'file süß 1', `folder ${'x'.repeat(150)}/ 0`, `file ${'x'.repeat(150)}/y 2`].sort((a, b) =>
      Buffer.compare(Buffer.from(a.split(' ')[1]!), Buffer.from(b.split(' ')[1]!))));
  });

  it('has no sockets and pipes, and tells so', async () => {
    make(folder.at('in'), { a: 'a' });
    const server = createServer().listen(folder.at('in/socket'));
    await event(server, 'listening');
    spawnSync('mkfifo', [folder.at('in/pipe')]);
    const told: string[] = [];
    try {
      untar(await bytesOf(packFolder(folder.at('in'), { onTrouble: (path, what) => told.push(`${path}: ${what}`) })), folder.at('out'));
    } finally {
      server.close();
    }
    expect(treeOf(folder.at('out'))).to.deep.equal({ a: 'a' });
    expect(told).to.deep.equal(['pipe', 'socket'].map((name) => `${name}: neither a file nor a folder nor a link: left out`));
  });

  it('counts files and bytes as they are packed', async () => {
    make(folder.at('in'), { a: '12345', 'sub/b': '123', 'sub/c': { to: 'b' }, 'sub/empty/': '' });
    const counted: Tally[] = [];
    await bytesOf(packFolder(folder.at('in'), { onPacked: (tally) => counted.push(tally) }));
    expect(counted.at(-1)).to.deep.equal({ files: 3, bytes: 8 });
    expect(counted).to.have.length(5);
  });

  it('fills up a file that becomes shorter, and cuts one that becomes longer, and tells', async () => {
    make(folder.at('in'), { 'a-first': Buffer.alloc(1 << 20, 1), 'b-shrinks': Buffer.alloc(1 << 20, 2), 'c-grows': Buffer.alloc(1 << 20, 3), 'd-last': 'whole' });
    const told: string[] = [];
    const pieces: Uint8Array[] = [];
    let read = 0;
    for await (const piece of packFolder(folder.at('in'), { onTrouble: (path, what) => told.push(`${path} ${what}`) })) {
      pieces.push(piece);
      read += piece.length;
      if (read > (1 << 20) + (300 << 10) && lstatSync(folder.at('in/b-shrinks')).size === 1 << 20) await truncate(folder.at('in/b-shrinks'), 400 << 10);
      if (read > (2 << 20) + (300 << 10) && lstatSync(folder.at('in/c-grows')).size === 1 << 20) await appendFile(folder.at('in/c-grows'), 'more');
    }
    untar(Buffer.concat(pieces), folder.at('out'));
    const shrunk = readFileSync(folder.at('out/b-shrinks'));
    expect(shrunk.length).to.equal(1 << 20);
    expect(shrunk.at(-1)).to.equal(0);
    expect(readFileSync(folder.at('out/c-grows')).equals(Buffer.alloc(1 << 20, 3))).to.equal(true);
    expect(readFileSync(folder.at('out/d-last'), 'utf8')).to.equal('whole');
    expect(told).to.deep.equal([
      'b-shrinks became shorter while it was read: filled up with zeros',
      'c-grows became longer while it was read: what came later is left out',
    ]);
  });

  it('goes on without a file that is gone before it is read', async () => {
    const between = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`a${i}`, '']));
    make(folder.at('in'), { 'a': Buffer.alloc(256 << 10), ...between, 'b': 'gone', 'large': Buffer.alloc(256 << 10), 'sub/c': 'gone', 'z': 'here' });
    const told: string[] = [];
    const pieces: Uint8Array[] = [];
    for await (const piece of packFolder(folder.at('in'), { onTrouble: (path) => told.push(path) })) {
      if (pieces.length === 0) spawnSync('rm', ['-r', folder.at('in/b'), folder.at('in/large'), folder.at('in/sub')]);
      pieces.push(piece);
    }
    untar(Buffer.concat(pieces), folder.at('out'));
    expect(Object.keys(treeOf(folder.at('out')))).to.deep.equal(['a', ...Object.keys(between).sort(), 'z']);
    expect(told).to.have.members(['b', 'large', 'sub']);
  });

  it('fails with the name of a file or folder that cannot be read, and of a root that is not there', async () => {
    make(folder.at('in'), { 'sub/shut': 'x' });
    chmodSync(folder.path, 0o755);
    chmodSync(folder.at('in/sub/shut'), 0o000);
    const here = process.cwd();
    const asNobody = async (root: string): Promise<Error> => {
      // Root may read everything.
      const root0 = process.geteuid?.() === 0;
      process.chdir(folder.path);
      if (root0) process.seteuid?.(65_534);
      try {
        return await failureOf(() => bytesOf(packFolder(root)));
      } finally {
        if (root0) process.seteuid?.(0);
        process.chdir(here);
      }
    };
    const file = await asNobody('in');
    expect(file).to.be.instanceOf(ArchiveError);
    expect(file.message).to.equal('cannot read "sub/shut": permission denied');
    chmodSync(folder.at('in/sub'), 0o000);
    expect((await asNobody('in')).message).to.equal('cannot read "sub": permission denied');
    chmodSync(folder.at('in/sub'), 0o755);
    const gone = await failureOf(() => bytesOf(packFolder(folder.at('gone'))));
    expect(gone).to.be.instanceOf(ArchiveError);
    expect(gone.message).to.equal('cannot read the folder: no such file or directory');
  });

  it('is asked about folders before what is in them, and never enters one that is left out', async () => {
    make(folder.at('in'), { 'a/b': '', 'out/c/d': '', 'e': '' });
    const asked: string[] = [];
    await bytesOf(packFolder(folder.at('in'), {
      judge: (path, isFolder) => {
        asked.push(isFolder ? `${path}/` : path);
        return path === 'out' ? 'leave' : 'take';
      },
    }));
    expect(asked).to.have.members(['a/', 'a/b', 'out/', 'e']);
    expect(asked.indexOf('a/')).to.be.lessThan(asked.indexOf('a/b'));
  });

  it('has a folder that was only looked into where something in it is taken', async () => {
    make(folder.at('in'), { 'x/y/kept': '1', 'x/z/left': '2', 'v/left': '3' });
    untar(await bytesOf(packFolder(folder.at('in'), { judge: (path, isFolder) => (path.endsWith('kept') ? 'take' : isFolder ? 'look' : 'leave') })), folder.at('out'));
    expect(treeOf(folder.at('out'))).to.deep.equal({ 'x': 'folder', 'x/y': 'folder', 'x/y/kept': '1' });
  });

  it('lies on top of another one, and under a name', async () => {
    make(folder.at('one'), { 'a': 'one', 'b': 'one' });
    make(folder.at('two'), { 'b': 'two' });
    untar(await bytesOf(packFolders([
      { root: folder.at('one') }, { root: folder.at('two') }, { root: folder.at('two'), under: 'dist/x' }, { root: folder.at('none'), optional: true },
    ])), folder.at('out'));
    expect(treeOf(folder.at('out'))).to.deep.equal({ 'a': 'one', 'b': 'two', 'dist': 'folder', 'dist/x': 'folder', 'dist/x/b': 'two' });
  });

  it('packs two names of one file as two files', async () => {
    make(folder.at('in'), { a: 'same' });
    linkSync(folder.at('in/a'), folder.at('in/b'));
    untar(await bytesOf(packFolder(folder.at('in'))), folder.at('out'));
    expect(treeOf(folder.at('out'))).to.deep.equal({ a: 'same', b: 'same' });
  });

  it('tells the size of a file beyond 8 GiB so that others read it', async () => {
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

  it('closes what it reads when it is dropped in the middle', async () => {
    make(folder.at('in'), { a: Buffer.alloc(4 << 20) });
    for await (const _piece of packFolder(folder.at('in'))) break;
    const opened = readdirSync('/proc/self/fd').filter((fd) => existsSync(`/proc/self/fd/${fd}`) && lstatSync(`/proc/self/fd/${fd}`).isSymbolicLink());
    const paths = opened.map((fd) => spawnSync('readlink', [`/proc/${process.pid}/fd/${fd}`]).stdout.toString().trim());
    expect(paths.filter((path) => path.startsWith(folder.path))).to.deep.equal([]);
  });

  it('pin defect 27: 1 GiB is packed with memory bounded', async () => {
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

describe('gitignore patterns', () => {
  it('leave out what git would leave out', () => {
    const judge = judgeByGitignore(['# comment', '*.log', '!keep.log', '/build/', 'deep/**/x', '.env*', 'c++/', '', 'space\\ ', '[ab].txt']);
    const verdicts = Object.entries({
      'a.log': 'leave', 'sub/a.log': 'leave', 'keep.log': 'take', 'a.logs': 'take', 'src/build': 'take', 'deep/1/2/x': 'leave', '.env.local': 'leave', 'src/client.ts': 'take',
      'a.txt': 'leave', 'c.txt': 'take', 'A.LOG': 'take', '# comment': 'take', 'build': 'take', 'c++': 'take', 'space ': 'leave',
    });
    for (const [path, verdict] of verdicts) expect(judge(path, false), path).to.equal(verdict);
    expect(judge('build', true)).to.equal('leave');
    expect(judge('src/c++', true)).to.equal('leave');
  });

  it('that mean nothing leave nothing out', () => {
    for (const pattern of ['[', '\\', '[z-a]', '***[', '(', '!', '/', '\0']) {
      const judge = judgeByGitignore([pattern]);
      expect(['a', 'src/client.ts', '.x'].map((path) => judge(path, false)), pattern).to.deep.equal(['take', 'take', 'take']);
    }
  });

  it('are the same for the ten-thousandth path', () => {
    const judge = judgeByGitignore(['*.o']);
    for (let i = 0; i < 25_000; i++) expect(judge(`d${i}/x.o`, false) + judge(`d${i}/x.c`, false)).to.equal('leavetake');
  });
});
