import { expect } from 'chai';
import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { WorkFailed, type WorkspaceSource } from '../../../calls/contract/engines.ts';
import { openWorkspace, releaseFolder, type Workspace } from '../../../server/pipeline/files/files.ts';
import { RunInput } from '../../../server/runs/input.ts';
import { toBase64Lines } from '../../../server/support/archive/base64.ts';
import { gzipped } from '../../../server/support/archive/gzip.ts';
import { packFolder } from '../../../server/support/archive/pack.ts';
import { fakePorts, type FakePorts } from '../../helpers/ports.ts';
import { failureOf, make, ownFolder, tarOf, treeOf } from '../../helpers/trees.ts';
import { until } from '../../helpers/until.ts';

const limits = { workspaceBytesMax: 1 << 20, workspaceFilesMax: 100 };
const base64: WorkspaceSource = { from: 'input', encoding: 'base64' };
const binary: WorkspaceSource = { from: 'input', encoding: 'binary' };

describe('the workspace of a run', () => {
  const folder = ownFolder();
  let run: FakePorts;
  beforeEach(() => {
    run = fakePorts();
    mkdirSync(folder.at('data'));
  });
  const open = (source: WorkspaceSource, more: Partial<typeof limits> = {}): Promise<Workspace> =>
    openWorkspace(source, { ports: run.ports, work: folder.at('data/work'), hide: [folder.at('data')], limits: { ...limits, ...more } });
  const release = () => run.releaseWith({ folder: releaseFolder(folder.at('data/work')) });

  it('may be nowhere', async () => {
    expect((await open({ from: 'nowhere' })).path).to.equal(undefined);
    expect(run.obligations).to.deep.equal([]);
  });

  it('may be a folder of this machine, with the links to it followed', async () => {
    make(folder.at('files'), { a: 'a' });
    symlinkSync('files', folder.at('link'));
    expect((await open({ from: 'folder', path: folder.at('link') })).path).to.equal(folder.at('files'));
    expect(run.obligations).to.deep.equal([]);
  });

  it('is refused when it is not there, or no folder', async () => {
    writeFileSync(folder.at('file'), '');
    const gone = await failureOf(() => open({ from: 'folder', path: folder.at('gone') }));
    expect(gone).to.be.instanceOf(WorkFailed);
    expect(gone.message).to.equal(`cannot use "${folder.at('gone')}" as workspace: no such file or directory`);
    expect((await failureOf(() => open({ from: 'folder', path: folder.at('file') }))).message).to.contain('it is not a folder');
  });

  it('comes as an archive in lines of base64, gzipped or not, and is gone after the run', async () => {
    make(folder.at('in'), { 'a': 'one', 'sub/empty/': '', 'l': { to: 'a' } });
    for (const archive of [packFolder(folder.at('in')), gzipped(packFolder(folder.at('in')))]) {
      run = fakePorts();
      const opening = open(base64);
      let sent = 0;
      for await (const line of toBase64Lines(archive, 100)) {
        run.feed(`${line}\n`);
        sent += line.length + 1;
      }
      run.endInput();
      const { path } = await opening;
      expect(path).to.equal(folder.at('data/work', run.ports.run));
      expect(treeOf(path!)).to.deep.equal(treeOf(folder.at('in')));
      expect(lstatSync(path!).mode & 0o777).to.equal(0o700);
      expect(run.input.takenBytes).to.equal(sent);
      expect((await release()).released.map(({ kind, id, how }) => ({ kind, id, how }))).to.deep.equal([{ kind: 'folder', id: 'workspace', how: 'removed' }]);
      expect(existsSync(path!)).to.equal(false);
    }
  });

  it('comes as the bytes of an archive', async () => {
    const opening = open(binary);
    run.feed(await tarOf([{ name: './a', content: 'bytes' }]));
    run.endInput();
    expect(treeOf((await opening).path!)).to.deep.equal({ a: 'bytes' });
    await release();
  });

  it('may be empty, but something has to come', async () => {
    const opening = open(binary);
    run.feed(await tarOf([]));
    run.endInput();
    expect(treeOf((await opening).path!)).to.deep.equal({});
    await release();
    run = fakePorts();
    run.endInput();
    const nothing = await failureOf(() => open(base64));
    expect(nothing).to.be.instanceOf(WorkFailed);
    expect(nothing.message).to.equal('cannot unpack the files that were sent: there is no archive: not a byte came');
    await release();
  });

  it('is owed before it is made', async () => {
    let there: boolean | undefined;
    const { owe } = run.ports;
    const ports = { ...run.ports, owe: (...args: Parameters<typeof owe>) => {
      there = existsSync(folder.at('data/work', run.ports.run));
      return owe(...args);
    } };
    run.feed(await tarOf([]));
    run.endInput();
    await openWorkspace(binary, { ports, work: folder.at('data/work'), limits });
    expect(there).to.equal(false);
    expect(run.obligations[0]!.entry).to.deep.include({ kind: 'folder', facts: { path: folder.at('data/work', run.ports.run) } });
    await release();
  });

  it('is refused when its archive is hostile, broken or too large, and nothing of it stays', async () => {
    const cases: readonly (readonly [string, Buffer, RegExp])[] = [
      ['a name outside', await tarOf([{ name: '../x', content: '' }]), /leads outside/],
      ['an absolute name', await tarOf([{ name: '/etc/x', content: '' }]), /absolute/],
      ['a link outside', await tarOf([{ name: 'l', type: 'symlink', linkname: '/etc/passwd' }]), /the symbolic link "l" leads outside/],
      ['no archive', Buffer.from('hello '.repeat(1000)), /no tar archive/],
      ['a bomb', gzipSync(await tarOf([{ name: 'zeros', content: Buffer.alloc(8 << 20) }])), /more than 1m \(limit workspaceBytesMax\)/],
      ['many files', await tarOf(Array.from({ length: 101 }, (_, i) => ({ name: `f${i}`, content: '' }))), /more than 100 \(limit workspaceFilesMax\)/],
    ];
    for (const [what, archive, reason] of cases) {
      run = fakePorts();
      run.feed(archive);
      run.endInput();
      const error = await failureOf(() => open(binary));
      expect(error, what).to.be.instanceOf(WorkFailed);
      expect(error.message, what).to.match(reason);
      expect(error.message, what).not.to.contain(folder.path);
      expect(run.input.discarded, what).to.equal(true);
      expect((await release()).clean, what).to.equal(true);
      expect(treeOf(folder.at('data')), what).to.deep.equal({ work: 'folder' });
    }
    run = fakePorts();
    run.feed('this is *not* base64\n');
    run.endInput();
    expect((await failureOf(() => open(base64))).message).to.equal('cannot unpack the files that were sent: not base64: "*" at byte 8');
    await release();
  });

  it('is refused at once, although more is still to come', async () => {
    const opening = failureOf(() => open(binary));
    run.feed(Buffer.from('hello '.repeat(1000)));
    expect((await opening).message).to.match(/no tar archive/);
    expect((await release()).clean).to.equal(true);
  });

  it('is taken no faster than it is written', async () => {
    const bound = 64 << 10;
    const input = new RunInput(bound);
    const ports = { ...run.ports, input };
    const bytes = await tarOf([{ name: 'a', content: Buffer.alloc(600_000, 7) }]);
    const opening = openWorkspace(binary, { ports, work: folder.at('data/work'), limits });
    const lost: string[] = [];
    let taken = 0;
    const hold = input.hold({ taken: (total) => { taken = total; }, overflow: () => lost.push('overflow') });
    for (let at = 0; at < bytes.length; at += 16 << 10) {
      await until('there is room again', () => at - taken + (16 << 10) <= bound);
      if (!hold.push(bytes.subarray(at, at + (16 << 10)))) lost.push(`at ${at}`);
    }
    hold.end();
    const { path } = await opening;
    expect(lost).to.deep.equal([]);
    expect(taken).to.equal(bytes.length);
    expect(readFileSync(`${path}/a`).equals(Buffer.alloc(600_000, 7))).to.equal(true);
    await release();
  });

  it('is let go of when the run is stopped while it comes, and removed', async () => {
    const opening = failureOf(() => open(binary));
    run.feed((await tarOf([{ name: 'a', content: 'x'.repeat(5_000) }])).subarray(0, 3_000));
    await until('the folder is there', () => existsSync(folder.at('data/work', run.ports.run, 'a')));
    run.abort();
    const receipt = await release();
    expect(await opening).to.be.instanceOf(WorkFailed);
    expect(receipt.released.map(({ how }) => how)).to.deep.equal(['removed']);
    expect(treeOf(folder.at('data'))).to.deep.equal({ work: 'folder' });
  });

  it('is let go of when the run is stopped, although its input never ends', async () => {
    const input = new RunInput(1 << 20);
    const opening = failureOf(() => openWorkspace(base64, { ports: { ...run.ports, input }, work: folder.at('data/work'), limits }));
    run.abort();
    expect(await opening).to.be.instanceOf(WorkFailed);
    expect((await release()).clean).to.equal(true);
  });
});

describe('the release of a folder', () => {
  const folder = ownFolder();
  const entry = (path: unknown) => ({ run: 'r', kind: 'folder' as const, id: 'workspace', facts: path === undefined ? {} : { path: path as string } });
  const manner = { stop: { signal: 'SIGTERM' as const, graceMs: 0 }, hurry: new AbortController().signal, flow: Promise.resolve() };
  beforeEach(() => make(folder.path, { 'work/run/a/b': 'x', 'other/c': 'y' }));
  const release = (path: unknown) => releaseFolder(folder.at('work'))(entry(path), manner);

  it('removes it, and is safe twice', async () => {
    expect(await release(folder.at('work/run'))).to.deep.equal({ how: 'removed' });
    expect(await release(folder.at('work/run'))).to.deep.equal({ how: 'never made' });
    expect(treeOf(folder.path)).to.deep.equal({ 'other': 'folder', 'other/c': 'y', 'work': 'folder' });
  });

  it('touches nothing that is not right below its folder', async () => {
    for (const path of [folder.at('other'), folder.at('work'), folder.at('work/run/a'), `${folder.at('work')}/../other`, `${folder.at('work')}/..`, '/', 'work/run', '', undefined]) {
      expect(await release(path), String(path)).to.have.property('left');
    }
    expect(Object.keys(treeOf(folder.path))).to.have.length(6);
  });

  it('removes a link and not what it leads to', async () => {
    symlinkSync('../../other', folder.at('work/run/link'));
    symlinkSync('../other', folder.at('work/whole'));
    expect(await release(folder.at('work/run'))).to.deep.equal({ how: 'removed' });
    expect(await release(folder.at('work/whole'))).to.deep.equal({ how: 'removed' });
    expect(treeOf(folder.at('other'))).to.deep.equal({ c: 'y' });
  });

  it('waits for what is still being written to it', async () => {
    const { entry: _entry, ...held } = { entry, flow: new Promise<void>((resolve) => setImmediate(() => {
      writeFileSync(folder.at('work/run/late'), '');
      resolve();
    })) };
    expect(await releaseFolder(folder.at('work'))(entry(folder.at('work/run')), { ...manner, ...held })).to.deep.equal({ how: 'removed' });
    expect(existsSync(folder.at('work/run'))).to.equal(false);
  });
});
