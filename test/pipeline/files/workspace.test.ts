// Tests how the workspace of a run is prepared and how its folder is removed.

import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { WorkFailed, type WorkspaceSource } from '../../../calls/contract/engines.ts';
import { toBase64Lines } from '../../../server/archive/base64-lines.ts';
import { compress } from '../../../server/archive/gzip.ts';
import { packFolder } from '../../../server/archive/pack.ts';
import { openWorkspace, releaseFolder, type Workspace } from '../../../server/pipeline/files/files.ts';
import { RunInput } from '../../../server/runs/input/run-input.ts';
import { catchError, createTar, readFolder, useTempFolder, writeFiles } from '../../helpers/archive/file-trees.ts';
import { type FakePorts, fakePorts } from '../../helpers/runs/fake-run-ports.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const limits = { workspaceBytesMax: 1 << 20, workspaceFilesMax: 100 };
const base64: WorkspaceSource = { from: 'input', encoding: 'base64' };
const binary: WorkspaceSource = { from: 'input', encoding: 'binary' };

describe('the workspace of a run', () => {
  const folder = useTempFolder();
  let run: FakePorts;
  beforeEach(() => {
    run = fakePorts();
    mkdirSync(folder.at('data'));
  });
  const openTestWorkspace = (source: WorkspaceSource, more: Partial<typeof limits> = {}): Promise<Workspace> =>
    openWorkspace(source, {
      ports: run.ports,
      work: folder.at('data/work'),
      hide: [folder.at('data')],
      limits: { ...limits, ...more },
    });
  const release = () => run.releaseAll({ folder: releaseFolder(folder.at('data/work')) });

  it('a pipeline can run without a workspace', async () => {
    expect((await openTestWorkspace({ from: 'nowhere' })).path).to.equal(undefined);
    expect(run.obligations).to.deep.equal([]);
  });

  it('a workspace can be a folder of this machine, and a link to the folder is resolved', async () => {
    writeFiles(folder.at('files'), { a: 'a' });
    symlinkSync('files', folder.at('link'));
    expect((await openTestWorkspace({ from: 'folder', path: folder.at('link') })).path).to.equal(folder.at('files'));
    expect(run.obligations).to.deep.equal([]);
  });

  it('a workspace folder that is missing or not a folder is rejected', async () => {
    writeFileSync(folder.at('file'), '');
    const missingFolderError = await catchError(() => openTestWorkspace({ from: 'folder', path: folder.at('gone') }));
    expect(missingFolderError).to.be.instanceOf(WorkFailed);
    expect(missingFolderError.message).to.equal(
      `cannot use "${folder.at('gone')}" as workspace: no such file or directory`,
    );
    expect((await catchError(() => openTestWorkspace({ from: 'folder', path: folder.at('file') }))).message).to.contain(
      'it is not a folder',
    );
  });

  it('a workspace sent as base64 lines, gzipped or not, is extracted, and is removed after the run', async () => {
    writeFiles(folder.at('in'), { a: 'one', 'sub/empty/': '', l: { to: 'a' } });
    for (const archive of [packFolder(folder.at('in')), compress(packFolder(folder.at('in')))]) {
      run = fakePorts();
      const opening = openTestWorkspace(base64);
      let sent = 0;
      for await (const line of toBase64Lines(archive, 100)) {
        run.sendInput(`${line}\n`);
        sent += line.length + 1;
      }
      run.endInput();
      const { path } = await opening;
      expect(path).to.equal(folder.at('data/work', run.ports.run));
      expect(readFolder(path!)).to.deep.equal(readFolder(folder.at('in')));
      expect(lstatSync(path!).mode & 0o777).to.equal(0o700);
      expect(run.input.takenBytes).to.equal(sent);
      expect((await release()).released.map(({ kind, id, how }) => ({ kind, id, how }))).to.deep.equal([
        { kind: 'folder', id: 'workspace', how: 'removed' },
      ]);
      expect(existsSync(path!)).to.equal(false);
    }
  });

  it('a workspace can be sent as a binary archive', async () => {
    const opening = openTestWorkspace(binary);
    run.sendInput(await createTar([{ name: './a', content: 'bytes' }]));
    run.endInput();
    expect(readFolder((await opening).path!)).to.deep.equal({ a: 'bytes' });
    await release();
  });

  it('an uploaded workspace can be empty, but not missing', async () => {
    const opening = openTestWorkspace(binary);
    run.sendInput(await createTar([]));
    run.endInput();
    expect(readFolder((await opening).path!)).to.deep.equal({});
    await release();
    run = fakePorts();
    run.endInput();
    const nothing = await catchError(() => openTestWorkspace(base64));
    expect(nothing).to.be.instanceOf(WorkFailed);
    expect(nothing.message).to.equal('cannot extract the uploaded files: there is no archive: received no data');
    await release();
  });

  it('the folder of an uploaded workspace is journaled before it exists', async () => {
    let there: boolean | undefined;
    const { openObligation } = run.ports;
    const ports = {
      ...run.ports,
      openObligation: (...args: Parameters<typeof openObligation>) => {
        there = existsSync(folder.at('data/work', run.ports.run));
        return openObligation(...args);
      },
    };
    run.sendInput(await createTar([]));
    run.endInput();
    await openWorkspace(binary, { ports, work: folder.at('data/work'), limits });
    expect(there).to.equal(false);
    expect(run.obligations[0]!.entry).to.deep.include({
      kind: 'folder',
      facts: { path: folder.at('data/work', run.ports.run) },
    });
    await release();
  });

  it('a hostile, broken or too large archive is rejected, and no file of it remains', async () => {
    const cases: readonly (readonly [string, Buffer, RegExp])[] = [
      ['a name outside', await createTar([{ name: '../x', content: '' }]), /leads outside/],
      ['an absolute name', await createTar([{ name: '/etc/x', content: '' }]), /absolute/],
      [
        'a link outside',
        await createTar([{ name: 'l', type: 'symlink', linkname: '/etc/passwd' }]),
        /the symbolic link "l" leads outside/,
      ],
      ['no archive', Buffer.from('hello '.repeat(1000)), /not a tar archive/],
      [
        'a bomb',
        gzipSync(await createTar([{ name: 'zeros', content: Buffer.alloc(8 << 20) }])),
        /exceed 1m \(limit workspaceBytesMax\)/,
      ],
      [
        'many files',
        await createTar(Array.from({ length: 101 }, (_, i) => ({ name: `f${i}`, content: '' }))),
        /exceed 100 entries \(limit workspaceFilesMax\)/,
      ],
    ];
    for (const [what, archive, reason] of cases) {
      run = fakePorts();
      run.sendInput(archive);
      run.endInput();
      const error = await catchError(() => openTestWorkspace(binary));
      expect(error, what).to.be.instanceOf(WorkFailed);
      expect(error.message, what).to.match(reason);
      expect(error.message, what).not.to.contain(folder.path);
      expect(run.input.discarded, what).to.equal(true);
      expect((await release()).clean, what).to.equal(true);
      expect(readFolder(folder.at('data')), what).to.deep.equal({ work: 'folder' });
    }
    run = fakePorts();
    run.sendInput('this is *not* base64\n');
    run.endInput();
    expect((await catchError(() => openTestWorkspace(base64))).message).to.equal(
      'cannot extract the uploaded files: not base64: "*" at byte 8',
    );
    await release();
  });

  it('an invalid archive is rejected before its upload ends', async () => {
    const opening = catchError(() => openTestWorkspace(binary));
    run.sendInput(Buffer.from('hello '.repeat(1000)));
    expect((await opening).message).to.match(/not a tar archive/);
    expect((await release()).clean).to.equal(true);
  });

  it('an upload is read no faster than it is written to disk', async () => {
    const bound = 64 << 10;
    const input = new RunInput(bound);
    const ports = { ...run.ports, input };
    const bytes = await createTar([{ name: 'a', content: Buffer.alloc(600_000, 7) }]);
    const opening = openWorkspace(binary, { ports, work: folder.at('data/work'), limits });
    const lost: string[] = [];
    let taken = 0;
    const hold = input.acquire({
      taken: (total) => {
        taken = total;
      },
      overflowed: () => lost.push('overflow'),
    });
    for (let at = 0; at < bytes.length; at += 16 << 10) {
      await waitUntil('the input has capacity again', () => at - taken + (16 << 10) <= bound);
      if (!hold.push(bytes.subarray(at, at + (16 << 10)))) lost.push(`at ${at}`);
    }
    hold.end();
    const { path } = await opening;
    expect(lost).to.deep.equal([]);
    expect(taken).to.equal(bytes.length);
    expect(readFileSync(`${path}/a`).equals(Buffer.alloc(600_000, 7))).to.equal(true);
    await release();
  });

  it('a workspace is removed when the run stops during the upload', async () => {
    const opening = catchError(() => openTestWorkspace(binary));
    run.sendInput((await createTar([{ name: 'a', content: 'x'.repeat(5_000) }])).subarray(0, 3_000));
    await waitUntil('the folder of the workspace exists', () => existsSync(folder.at('data/work', run.ports.run, 'a')));
    run.abort();
    const receipt = await release();
    expect(await opening).to.be.instanceOf(WorkFailed);
    expect(receipt.released.map(({ how }) => how)).to.deep.equal(['removed']);
    expect(readFolder(folder.at('data'))).to.deep.equal({ work: 'folder' });
  });

  it('a workspace is removed when the run stops, even if the input never ends', async () => {
    const input = new RunInput(1 << 20);
    const opening = catchError(() =>
      openWorkspace(base64, { ports: { ...run.ports, input }, work: folder.at('data/work'), limits }),
    );
    run.abort();
    expect(await opening).to.be.instanceOf(WorkFailed);
    expect((await release()).clean).to.equal(true);
  });
});

describe('the releaser of folders', () => {
  const folder = useTempFolder();
  const entry = (path: unknown) => ({
    run: 'r',
    kind: 'folder' as const,
    id: 'workspace',
    facts: path === undefined ? {} : { path: path as string },
  });
  const releaseOptions = {
    stop: { signal: 'SIGTERM' as const, graceMs: 0 },
    force: new AbortController().signal,
    pending: Promise.resolve(),
  };
  beforeEach(() => writeFiles(folder.path, { 'work/run/a/b': 'x', 'other/c': 'y' }));
  const release = (path: unknown) => releaseFolder(folder.at('work'))(entry(path), releaseOptions);

  it('the folder releaser removes the folder and is idempotent', async () => {
    expect(await release(folder.at('work/run'))).to.deep.equal({ how: 'removed' });
    expect(await release(folder.at('work/run'))).to.deep.equal({ how: 'never created' });
    expect(readFolder(folder.path)).to.deep.equal({ other: 'folder', 'other/c': 'y', work: 'folder' });
  });

  it('the folder releaser removes only direct children of its folder', async () => {
    for (const path of [
      folder.at('other'),
      folder.at('work'),
      folder.at('work/run/a'),
      `${folder.at('work')}/../other`,
      `${folder.at('work')}/..`,
      '/',
      'work/run',
      '',
      undefined,
    ]) {
      expect(await release(path), String(path)).to.have.property('left');
    }
    expect(Object.keys(readFolder(folder.path))).to.have.length(6);
  });

  it('the folder releaser removes a link, not its target', async () => {
    symlinkSync('../../other', folder.at('work/run/link'));
    symlinkSync('../other', folder.at('work/whole'));
    expect(await release(folder.at('work/run'))).to.deep.equal({ how: 'removed' });
    expect(await release(folder.at('work/whole'))).to.deep.equal({ how: 'removed' });
    expect(readFolder(folder.at('other'))).to.deep.equal({ c: 'y' });
  });

  it('the folder releaser waits for pending writes', async () => {
    const { entry: _entry, ...held } = {
      entry,
      pending: new Promise<void>((resolve) =>
        setImmediate(() => {
          writeFileSync(folder.at('work/run/late'), '');
          resolve();
        }),
      ),
    };
    expect(
      await releaseFolder(folder.at('work'))(entry(folder.at('work/run')), { ...releaseOptions, ...held }),
    ).to.deep.equal({
      how: 'removed',
    });
    expect(existsSync(folder.at('work/run'))).to.equal(false);
  });
});
