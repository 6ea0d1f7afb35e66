// Tests which files of a job are stored as artifacts, and how outputs of a job are read.

import { chmodSync, existsSync, lstatSync } from 'node:fs';
import { expect } from 'chai';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { packFolder } from '../../../server/archive/pack.ts';
import type { DockerEngine } from '../../../server/docker/engine.ts';
import {
  type ArtifactRequest,
  type Artifacts,
  artifactRequests,
  createArtifacts,
  readOutputs,
} from '../../../server/pipeline/files/files.ts';
import { parseOutputs } from '../../../server/pipeline/files/parse-outputs.ts';
import {
  catchError,
  createTar,
  readFolder,
  singleChunk,
  splitBytes,
  type TarEntry,
  useTempFolder,
  writeFiles,
} from '../../helpers/archive/file-trees.ts';
import { sharedEngineHost } from '../../helpers/docker/shared-engine.ts';
import { createTestEngine } from '../../helpers/docker/test-engine.ts';
import { createStepRun, engineReleasers } from '../../helpers/docker/test-steps.ts';

const limits = { artifactBytesMax: 1 << 20, artifactFilesMax: 100 };
const createRequests = (more: {
  artifactPath?: string;
  artifacts?: readonly string[];
  workDir?: string;
}): readonly ArtifactRequest[] => artifactRequests({ artifacts: [], workDir: '/root', ...more });
const createRequest = (more: Parameters<typeof createRequests>[0]): ArtifactRequest => createRequests(more)[0]!;

describe('artifact requests of a job', () => {
  it('an artifact request for artifactPath stores the whole tree under the base name of the path', () => {
    expect(createRequests({ artifactPath: '/root/build/dist/' })).to.deep.equal([
      { path: '/root/build/dist', storeAs: 'dist' },
    ]);
    expect(createRequests({ artifactPath: 'out/../report.txt', workDir: '/srv/app' })).to.deep.equal([
      { path: '/srv/app/report.txt', storeAs: 'report.txt' },
    ]);
  });

  it('globs become artifact requests for the path before the first wildcard, one request for each path', () => {
    expect(
      createRequests({
        artifacts: [
          'dist/*.js',
          './dist/**/*.css',
          '/root/dist/x.{a,b}',
          'log.txt',
          '**/*.xml',
          '/var/log/*.log',
          '/etc/hosts',
        ],
      }),
    ).to.deep.equal([
      {
        path: '/root/dist',
        storeAs: 'dist',
        globs: [
          { written: 'dist/*.js', below: '*.js' },
          { written: './dist/**/*.css', below: '**/*.css' },
          { written: '/root/dist/x.{a,b}', below: 'x.{a,b}' },
        ],
      },
      { path: '/root/log.txt', storeAs: 'log.txt', globs: [{ written: 'log.txt', below: '' }] },
      { path: '/root', storeAs: '', globs: [{ written: '**/*.xml', below: '**/*.xml' }] },
      { path: '/var/log', storeAs: 'log', globs: [{ written: '/var/log/*.log', below: '*.log' }] },
      { path: '/etc/hosts', storeAs: 'hosts', globs: [{ written: '/etc/hosts', below: '' }] },
    ]);
  });

  it('a job without artifacts has no artifact requests', () => {
    expect(createRequests({})).to.deep.equal([]);
  });
});

describe('artifacts', () => {
  const folder = useTempFolder();
  let artifacts: Artifacts;
  beforeEach(() => {
    artifacts = createArtifacts(folder.at('runs/r/artifacts'), limits);
  });
  const storedFiles = (): Record<string, string> =>
    existsSync(folder.at('runs')) ? readFolder(folder.at('runs/r/artifacts')) : {};
  const storeEntries = async (request: ArtifactRequest, entries: readonly TarEntry[], job = 'build') =>
    artifacts.store(
      job,
      request,
      splitBytes(await createTar(entries), () => 64 << 10),
    );

  it('pin defect 4: a nested folder is stored as a tree', async () => {
    writeFiles(folder.at('in/dist'), {
      'index.html': '<p>',
      'assets/js/app.js': 'js',
      'assets/empty/': '',
      latest: { to: 'assets/js' },
    });
    chmodSync(folder.at('in/dist/index.html'), 0o640);
    expect(
      await artifacts.store('build', createRequest({ artifactPath: '/root/dist' }), packFolder(folder.at('in'))),
    ).to.deep.equal({ files: 3, bytes: 5, unmatched: [], skipped: [] });
    expect(readFolder(folder.at('runs/r/artifacts/build/dist'))).to.deep.equal(readFolder(folder.at('in/dist')));
    expect(artifacts.folderFor('build')).to.equal(folder.at('runs/r/artifacts/build'));
    expect(lstatSync(folder.at('runs/r/artifacts/build/dist/index.html')).mode & 0o777).to.equal(0o640);
  });

  it('an artifact can be a single file', async () => {
    await storeEntries(createRequest({ artifactPath: '/root/report.txt' }), [{ name: 'report.txt', content: 'fine' }]);
    expect(storedFiles()).to.deep.equal({ build: 'folder', 'build/report.txt': 'fine' });
  });

  it('a missing artifact fails the job and creates no folder', async () => {
    const error = await catchError(() =>
      artifacts.store('build', createRequest({ artifactPath: '/root/gone' }), undefined),
    );
    expect(error).to.be.instanceOf(WorkFailed);
    expect(error.message).to.equal('artifact not found: /root/gone');
    expect(storedFiles()).to.deep.equal({});
  });

  it('a glob stores only what matches, and everything in a matching folder', async () => {
    const request = createRequest({ artifacts: ['dist/*.js', 'dist/css', 'dist/**/*.map', 'dist/*.none', 'dist/.h*'] });
    const result = await storeEntries(request, [
      { name: 'dist/', type: 'directory' },
      { name: 'dist/a.js', content: '1' },
      { name: 'dist/sub/b.js', content: '2' },
      { name: 'dist/css/', type: 'directory' },
      { name: 'dist/css/x/y.css', content: '3' },
      { name: 'dist/sub/deep/c.map', content: '4' },
      { name: 'dist/d.map', content: '5' },
      { name: 'dist/.hidden', content: '6' },
    ]);
    expect(result).to.deep.equal({ files: 4, bytes: 4, unmatched: ['dist/*.none'], skipped: [] });
    expect(Object.keys(storedFiles())).to.deep.equal([
      'build',
      'build/dist',
      'build/dist/.hidden',
      'build/dist/a.js',
      'build/dist/d.map',
      'build/dist/sub',
      'build/dist/sub/deep',
      'build/dist/sub/deep/c.map',
    ]);
    const more = await storeEntries(createRequests({ artifacts: ['dist/*.js', 'dist/css'] })[1]!, [
      { name: 'css/', type: 'directory' },
      { name: 'css/x/y.css', content: '3' },
    ]);
    expect(more).to.deep.equal({ files: 1, bytes: 1, unmatched: [], skipped: [] });
    expect(storedFiles()).to.include({ 'build/dist/css/x/y.css': '3' });
  });

  it('a glob without a match is reported as unmatched', async () => {
    const request = createRequest({ artifacts: ['none/*.js', 'none/x?'] });
    expect(await artifacts.store('build', request, undefined)).to.deep.equal({
      files: 0,
      bytes: 0,
      unmatched: ['none/*.js', 'none/x?'],
      skipped: [],
    });
    expect(await storeEntries(request, [{ name: 'none/y', content: '' }])).to.deep.equal({
      files: 0,
      bytes: 0,
      unmatched: ['none/*.js', 'none/x?'],
      skipped: [],
    });
  });

  it('artifacts of the whole working folder keep their paths', async () => {
    await storeEntries(createRequest({ artifacts: ['**/*.{xml,json}', '[ab].txt'] }), [
      { name: 'root/', type: 'directory' },
      { name: 'root/a.txt', content: '' },
      { name: 'root/c.txt', content: '' },
      { name: 'root/x/y/z.xml', content: '' },
      { name: 'root/p.json', content: '' },
    ]);
    expect(Object.keys(storedFiles())).to.deep.equal([
      'build',
      'build/a.txt',
      'build/p.json',
      'build/x',
      'build/x/y',
      'build/x/y/z.xml',
    ]);
  });

  it('an artifact with an entry outside its tree is rejected, and the job keeps no artifacts', async () => {
    const request = createRequest({ artifactPath: '/root/dist' });
    const cases: Readonly<Record<string, TarEntry>> = {
      'a link to the machine': { name: 'dist/l', type: 'symlink', linkname: '/etc/passwd' },
      'a link above the tree': { name: 'dist/l', type: 'symlink', linkname: '../other' },
      'a link itself': { name: 'dist', type: 'symlink', linkname: 'dist-1' },
      'a name above': { name: 'dist/../../x', content: '' },
      'an absolute name': { name: '/dist/x', content: '' },
      'another name': { name: 'else/x', content: '' },
    };
    await storeEntries(createRequest({ artifactPath: '/root/ok' }), [{ name: 'ok', content: '' }], 'other job');
    for (const [what, entry] of Object.entries(cases)) {
      await storeEntries(createRequest({ artifactPath: '/root/fine' }), [{ name: 'fine', content: '' }]);
      const error = await catchError(() => storeEntries(request, [{ name: 'dist/a', content: '' }, entry]));
      expect(error, what).to.be.instanceOf(WorkFailed);
      expect(error.message, what).to.match(/^cannot store the artifact \/root\/dist: /);
      expect(storedFiles(), what).to.deep.equal({ other_job: 'folder', 'other_job/ok': '' });
    }
  });

  it('artifacts of all jobs share one limit, and removed artifacts do not count', async () => {
    const large = (name: string): TarEntry => ({ name, content: 'x'.repeat(600 << 10) });
    await storeEntries(createRequest({ artifactPath: '/root/a' }), [large('a')], 'one');
    for (let tried = 0; tried < 3; tried++) {
      const error = await catchError(() =>
        storeEntries(createRequest({ artifactPath: '/root/b' }), [large('b')], 'two'),
      );
      expect(error).to.be.instanceOf(WorkFailed);
      expect(error.message).to.equal(
        'cannot store the artifact /root/b: the artifacts of the run exceed 1m (limit artifactBytesMax)',
      );
    }
    await storeEntries(
      createRequest({ artifactPath: '/root/c' }),
      [{ name: 'c', content: 'x'.repeat(300 << 10) }],
      'two',
    );
    expect(Object.keys(storedFiles())).to.deep.equal(['one', 'one/a', 'two', 'two/c']);
    const many = await catchError(() =>
      storeEntries(
        createRequest({ artifactPath: '/root/d' }),
        Array.from({ length: 101 }, (_, i) => ({ name: `d/${i}`, content: '' })),
        'three',
      ),
    );
    expect(many.message).to.contain('limit artifactFilesMax');
  });

  it('a glob stores a few files of a folder that exceeds the limits', async () => {
    artifacts = createArtifacts(folder.at('runs/r/artifacts'), { artifactBytesMax: 10, artifactFilesMax: 2 });
    const much = Array.from({ length: 40 }, (_, i) => ({ name: `root/${i}.o`, content: Buffer.alloc(100_000) }));
    await storeEntries(createRequest({ artifacts: ['*.txt'] }), [...much, { name: 'root/a.txt', content: 'a' }]);
    expect(storedFiles()).to.deep.equal({ build: 'folder', 'build/a.txt': 'a' });
  });

  it('every job gets its own artifact folder, even if its name is no file name', async () => {
    const jobs = [
      'test (node=20, os=alpine)',
      'test (node=20; os=alpine)',
      '..',
      '.',
      '',
      '../../x',
      'Build',
      'build',
      'a/b',
      '\u{1f642}',
    ];
    const folders = jobs.map((job) => artifacts.folderFor(job));
    expect(new Set(folders.map((path) => path.toLowerCase())).size).to.equal(jobs.length);
    for (const path of folders)
      expect(path.slice(folder.at('runs/r/artifacts/').length)).to.match(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/);
    expect(jobs.map((job) => artifacts.folderFor(job))).to.deep.equal(folders);
  });

  it('a rejected artifact request closes its archive without reading it', async () => {
    let dropped = false;
    const archive = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.reject(new Error('read')),
        return: async () => {
          dropped = true;
          return { done: true as const, value: undefined };
        },
      }),
    };
    const error = await catchError(() => artifacts.store('build', createRequest({ artifacts: ['[z-a]'] }), archive));
    expect(error.message).to.contain('the glob "[z-a]" is invalid');
    expect(dropped).to.equal(true);
  });
});

describe('artifacts of a real container', function () {
  this.timeout(60_000);
  const folder = useTempFolder();
  let engine: DockerEngine;
  before(async () => {
    engine = createTestEngine(await sharedEngineHost());
  });
  after(() => engine.close());

  it('pin defect 4: artifacts of a real container include trees, files and glob matches', async () => {
    const stepRun = await createStepRun(engine);
    const script = `mkdir -p dist/a/b dist/empty "dist/sp ace" && echo deep > dist/a/b/c && \
      echo ü > "dist/sp ace/ü" && ln -s a/b dist/l && ln dist/a/b/c dist/hard && chmod 700 dist/a/b/c
      echo one > one.log; echo two > two.txt; ln -s dist to-dist; ln -s /etc dist2; mkfifo dist/pipe`;
    const step = await stepRun.steps.create(stepRun.sh(script, { workdir: '/code' }));
    try {
      expect(await (await step.start(stepRun.run.output)).ended, stepRun.run.output.stderr()).to.deep.include({
        exitCode: 0,
      });
      const artifacts = createArtifacts(folder.at('artifacts'), limits);
      for (const request of createRequests({
        workDir: '/code',
        artifactPath: 'dist',
        artifacts: ['*.log', 'none/*', 'two.txt'],
      }))
        await artifacts.store('job', request, await step.get(request.path));
      expect(readFolder(folder.at('artifacts/job'))).to.deep.equal({
        dist: 'folder',
        'dist/a': 'folder',
        'dist/a/b': 'folder',
        'dist/a/b/c': 'deep\n',
        'dist/empty': 'folder',
        'dist/hard': 'deep\n',
        'dist/l': '-> a/b',
        'dist/sp ace': 'folder',
        'dist/sp ace/ü': 'ü\n',
        'one.log': 'one\n',
        'two.txt': 'two\n',
      });
      expect(lstatSync(folder.at('artifacts/job/dist/a/b/c')).mode & 0o777).to.equal(0o700);
      const [link] = createRequests({ artifactPath: '/code/to-dist' });
      expect(
        (await catchError(async () => artifacts.store('job', link!, await step.get(link!.path)))).message,
      ).to.contain('it is a symbolic link: name the target instead');
      const [root] = createRequests({ workDir: '/', artifacts: ['cod?/*.log'] });
      expect(await artifacts.store('root', root!, await step.get(root!.path))).to.deep.include({ files: 1 });
      expect(readFolder(folder.at('artifacts/root'))).to.deep.equal({ code: 'folder', 'code/one.log': 'one\n' });
    } finally {
      await step.remove();
      await stepRun.run.releaseAll(engineReleasers(engine));
    }
  });
});

describe('outputs of a job', () => {
  const warnings: string[] = [];
  const bound = { jobOutputsBytesMax: 1_000, warn: (message: string) => void warnings.push(message) };
  beforeEach(() => void warnings.splice(0));

  it('outputs are parsed from lines, and the last line with a name wins', () => {
    expect(
      parseOutputs(
        'A=1\r\nB=two words = 2\nC\n A=3\nD=\n=x\nE=no\nF="quoted"\n',
        ['A', 'B', 'C', 'D', 'F', 'Z'],
        bound.warn,
      ),
    ).to.deep.equal({ A: '3', B: 'two words = 2', D: '', F: '"quoted"' });
    expect(
      parseOutputs('\uFEFF__proto__=x\nconstructor=y', ['__proto__', 'constructor', 'toString'], bound.warn),
    ).to.have.own.property('constructor', 'y');
    expect(parseOutputs('', ['A'], bound.warn)).to.deep.equal({});
  });

  it('L7: a block from NAME<<END to END is a value of several lines', () => {
    const text = [
      'A=before',
      'NOTES<<EOF',
      '- one',
      'A=not an output',
      '',
      '  EOF',
      'EOF',
      'OTHER<<END-1',
      'A=ignored with its block',
      'END-1',
      'EMPTY<<x',
      'x',
      'B=1 <<EOF',
      'C<<two words',
      'A=after',
      '',
    ];
    const values = {
      NOTES: '- one\nA=not an output\n\n  EOF',
      EMPTY: '',
      B: '1 <<EOF',
      A: 'after',
    };
    for (const end of ['\n', '\r\n'])
      expect(parseOutputs(text.join(end), ['A', 'B', 'C', 'NOTES', 'EMPTY'], bound.warn)).to.deep.equal(values);
    expect(warnings).to.deep.equal([]);
  });

  it('L7: a block without its end line causes a warning and sets no output', () => {
    expect(parseOutputs('A=1\nB<<EOF\nfirst\nC=2\nEOFF\n', ['A', 'B', 'C'], bound.warn)).to.deep.equal({
      A: '1',
      C: '2',
    });
    expect(warnings).to.deep.equal(['the output B has no value: its block has no line "EOF" at the end']);
  });

  it('outputs are read from the archive of the output file, and are empty without this file', async () => {
    expect(
      await readOutputs(singleChunk(await createTar([{ name: 'output', content: 'A=ü\n' }])), ['A'], bound),
    ).to.deep.equal({
      A: 'ü',
    });
    expect(await readOutputs(undefined, ['A'], bound)).to.deep.equal({});
    expect(
      await readOutputs(
        singleChunk(await createTar([{ name: 'output', type: 'symlink', linkname: '/etc/passwd' }])),
        ['A'],
        bound,
      ),
    ).to.deep.equal({});
    expect(
      await readOutputs(
        singleChunk(
          await createTar([
            { name: 'output', type: 'directory' },
            { name: 'output/x', content: 'A=1' },
          ]),
        ),
        ['A'],
        bound,
      ),
    ).to.deep.equal({});
  });

  it('outputs over the limit are rejected', async () => {
    const error = await catchError(async () =>
      readOutputs(singleChunk(await createTar([{ name: 'output', content: 'x'.repeat(1_001) }])), ['A'], bound),
    );
    expect(error).to.be.instanceOf(WorkFailed);
    expect(error.message).to.contain('jobOutputsBytesMax');
  });
});
