import { expect } from 'chai';
import { chmodSync, existsSync, lstatSync } from 'node:fs';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { artifactWishes, createArtifacts, readOutputs, type ArtifactWish, type Artifacts } from '../../../server/pipeline/files/files.ts';
import { outputsIn } from '../../../server/pipeline/files/outputs.ts';
import type { DockerEngine } from '../../../server/docker/engine.ts';
import { testEngine } from '../../docker/setup.ts';
import { releasersOf, stepRun } from '../../docker/steps-setup.ts';
import { sharedEngine } from '../../helpers/engine.ts';
import { packFolder } from '../../../server/support/archive/pack.ts';
import { cut, failureOf, make, once, ownFolder, tarOf, treeOf, type TarEntry } from '../../helpers/trees.ts';

const limits = { artifactBytesMax: 1 << 20, artifactFilesMax: 100 };
const wishesOf = (more: { artifactPath?: string; artifacts?: readonly string[]; workDir?: string }): readonly ArtifactWish[] =>
  artifactWishes({ artifacts: [], workDir: '/root', ...more });
const wishOf = (more: Parameters<typeof wishesOf>[0]): ArtifactWish => wishesOf(more)[0]!;

describe('what is asked for of a job', () => {
  it('is the whole tree at artifactPath, by its last part', () => {
    expect(wishesOf({ artifactPath: '/root/build/dist/' })).to.deep.equal([{ path: '/root/build/dist', as: 'dist' }]);
    expect(wishesOf({ artifactPath: 'out/../report.txt', workDir: '/srv/app' })).to.deep.equal([{ path: '/srv/app/report.txt', as: 'report.txt' }]);
  });

  it('is what is before the first wildcard of a glob, each once', () => {
    expect(wishesOf({ artifacts: ['dist/*.js', './dist/**/*.css', '/root/dist/x.{a,b}', 'log.txt', '**/*.xml', '/var/log/*.log', '/etc/hosts'] })).to.deep.equal([
      { path: '/root/dist', as: 'dist', globs: [{ written: 'dist/*.js', below: '*.js' }, { written: './dist/**/*.css', below: '**/*.css' }, { written: '/root/dist/x.{a,b}', below: 'x.{a,b}' }] },
      { path: '/root/log.txt', as: 'log.txt', globs: [{ written: 'log.txt', below: '' }] },
      { path: '/root', as: '', globs: [{ written: '**/*.xml', below: '**/*.xml' }] },
      { path: '/var/log', as: 'log', globs: [{ written: '/var/log/*.log', below: '*.log' }] },
      { path: '/etc/hosts', as: 'hosts', globs: [{ written: '/etc/hosts', below: '' }] },
    ]);
  });

  it('is nothing when nothing was written', () => {
    expect(wishesOf({})).to.deep.equal([]);
  });
});

describe('artifacts', () => {
  const folder = ownFolder();
  let artifacts: Artifacts;
  beforeEach(() => { artifacts = createArtifacts(folder.at('runs/r/artifacts'), limits); });
  const kept = (): Record<string, string> => (existsSync(folder.at('runs')) ? treeOf(folder.at('runs/r/artifacts')) : {});
  const keep = async (wish: ArtifactWish, entries: readonly TarEntry[], job = 'build') => artifacts.keep(job, wish, cut(await tarOf(entries), () => 64 << 10));

  it('pin defect 4: a nested folder is kept as the tree it is', async () => {
    make(folder.at('in/dist'), { 'index.html': '<p>', 'assets/js/app.js': 'js', 'assets/empty/': '', 'latest': { to: 'assets/js' } });
    chmodSync(folder.at('in/dist/index.html'), 0o640);
    expect(await artifacts.keep('build', wishOf({ artifactPath: '/root/dist' }), packFolder(folder.at('in')))).to.deep.equal({ files: 3, bytes: 5, unmatched: [] });
    expect(treeOf(folder.at('runs/r/artifacts/build/dist'))).to.deep.equal(treeOf(folder.at('in/dist')));
    expect(artifacts.folderOf('build')).to.equal(folder.at('runs/r/artifacts/build'));
    expect(lstatSync(folder.at('runs/r/artifacts/build/dist/index.html')).mode & 0o777).to.equal(0o640);
  });

  it('may be a single file', async () => {
    await keep(wishOf({ artifactPath: '/root/report.txt' }), [{ name: 'report.txt', content: 'fine' }]);
    expect(kept()).to.deep.equal({ 'build': 'folder', 'build/report.txt': 'fine' });
  });

  it('that are not there fail the job, and nothing is made', async () => {
    const error = await failureOf(() => artifacts.keep('build', wishOf({ artifactPath: '/root/gone' }), undefined));
    expect(error).to.be.instanceOf(WorkFailed);
    expect(error.message).to.equal('artifact not found: /root/gone');
    expect(kept()).to.deep.equal({});
  });

  it('are of a glob only what fits it, and all that is in a folder that does', async () => {
    const wish = wishOf({ artifacts: ['dist/*.js', 'dist/css', 'dist/**/*.map', 'dist/*.none', 'dist/.h*'] });
    const result = await keep(wish, [
      { name: 'dist/', type: 'directory' }, { name: 'dist/a.js', content: '1' }, { name: 'dist/sub/b.js', content: '2' }, { name: 'dist/css/', type: 'directory' }, { name: 'dist/css/x/y.css', content: '3' },
      { name: 'dist/sub/deep/c.map', content: '4' }, { name: 'dist/d.map', content: '5' }, { name: 'dist/.hidden', content: '6' },
    ]);
    expect(result).to.deep.equal({ files: 4, bytes: 4, unmatched: ['dist/*.none'] });
    expect(Object.keys(kept())).to.deep.equal(['build', 'build/dist', 'build/dist/.hidden', 'build/dist/a.js', 'build/dist/d.map', 'build/dist/sub', 'build/dist/sub/deep', 'build/dist/sub/deep/c.map']);
    const more = await keep(wishesOf({ artifacts: ['dist/*.js', 'dist/css'] })[1]!, [{ name: 'css/', type: 'directory' }, { name: 'css/x/y.css', content: '3' }]);
    expect(more).to.deep.equal({ files: 1, bytes: 1, unmatched: [] });
    expect(kept()).to.include({ 'build/dist/css/x/y.css': '3' });
  });

  it('of a glob may be none, which is told', async () => {
    const wish = wishOf({ artifacts: ['none/*.js', 'none/x?'] });
    expect(await artifacts.keep('build', wish, undefined)).to.deep.equal({ files: 0, bytes: 0, unmatched: ['none/*.js', 'none/x?'] });
    expect(await keep(wish, [{ name: 'none/y', content: '' }])).to.deep.equal({ files: 0, bytes: 0, unmatched: ['none/*.js', 'none/x?'] });
  });

  it('of the whole folder of work are kept by their paths there', async () => {
    await keep(wishOf({ artifacts: ['**/*.{xml,json}', '[ab].txt'] }), [
      { name: 'root/', type: 'directory' }, { name: 'root/a.txt', content: '' }, { name: 'root/c.txt', content: '' }, { name: 'root/x/y/z.xml', content: '' }, { name: 'root/p.json', content: '' },
    ]);
    expect(Object.keys(kept())).to.deep.equal(['build', 'build/a.txt', 'build/p.json', 'build/x', 'build/x/y', 'build/x/y/z.xml']);
  });

  it('that lead out of their tree are refused, and nothing of the job stays', async () => {
    const wish = wishOf({ artifactPath: '/root/dist' });
    const cases: Readonly<Record<string, TarEntry>> = {
      'a link to the machine': { name: 'dist/l', type: 'symlink', linkname: '/etc/passwd' },
      'a link above the tree': { name: 'dist/l', type: 'symlink', linkname: '../other' },
      'a link itself': { name: 'dist', type: 'symlink', linkname: 'dist-1' },
      'a name above': { name: 'dist/../../x', content: '' },
      'an absolute name': { name: '/dist/x', content: '' },
      'another name': { name: 'else/x', content: '' },
    };
    await keep(wishOf({ artifactPath: '/root/ok' }), [{ name: 'ok', content: '' }], 'other job');
    for (const [what, entry] of Object.entries(cases)) {
      await keep(wishOf({ artifactPath: '/root/fine' }), [{ name: 'fine', content: '' }]);
      const error = await failureOf(() => keep(wish, [{ name: 'dist/a', content: '' }, entry]));
      expect(error, what).to.be.instanceOf(WorkFailed);
      expect(error.message, what).to.match(/^cannot keep the artifact \/root\/dist: /);
      expect(kept(), what).to.deep.equal({ 'other_job': 'folder', 'other_job/ok': '' });
    }
  });

  it('of all jobs together may be as much as the bound, and what was removed does not count', async () => {
    const large = (name: string): TarEntry => ({ name, content: 'x'.repeat(600 << 10) });
    await keep(wishOf({ artifactPath: '/root/a' }), [large('a')], 'one');
    for (let tried = 0; tried < 3; tried++) {
      const error = await failureOf(() => keep(wishOf({ artifactPath: '/root/b' }), [large('b')], 'two'));
      expect(error).to.be.instanceOf(WorkFailed);
      expect(error.message).to.equal('cannot keep the artifact /root/b: the artifacts of the run are more than 1m (limit artifactBytesMax)');
    }
    await keep(wishOf({ artifactPath: '/root/c' }), [{ name: 'c', content: 'x'.repeat(300 << 10) }], 'two');
    expect(Object.keys(kept())).to.deep.equal(['one', 'one/a', 'two', 'two/c']);
    const many = await failureOf(() => keep(wishOf({ artifactPath: '/root/d' }), Array.from({ length: 101 }, (_, i) => ({ name: `d/${i}`, content: '' })), 'three'));
    expect(many.message).to.contain('limit artifactFilesMax');
  });

  it('may be few of very much', async () => {
    artifacts = createArtifacts(folder.at('runs/r/artifacts'), { artifactBytesMax: 10, artifactFilesMax: 2 });
    const much = Array.from({ length: 40 }, (_, i) => ({ name: `root/${i}.o`, content: Buffer.alloc(100_000) }));
    await keep(wishOf({ artifacts: ['*.txt'] }), [...much, { name: 'root/a.txt', content: 'a' }]);
    expect(kept()).to.deep.equal({ 'build': 'folder', 'build/a.txt': 'a' });
  });

  it('have a folder for each job, whatever its name is', async () => {
    const jobs = ['test (node=20, os=alpine)', 'test (node=20; os=alpine)', '..', '.', '', '../../x', 'Build', 'build', 'a/b', '\u{1f642}'];
    const folders = jobs.map((job) => artifacts.folderOf(job));
    expect(new Set(folders.map((path) => path.toLowerCase())).size).to.equal(jobs.length);
    for (const path of folders) expect(path.slice(folder.at('runs/r/artifacts/').length)).to.match(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/);
    expect(jobs.map((job) => artifacts.folderOf(job))).to.deep.equal(folders);
  });

  it('end the reading of what is refused unread', async () => {
    let dropped = false;
    const archive = { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('read')), return: async () => {
      dropped = true;
      return { done: true as const, value: undefined };
    } }) };
    const error = await failureOf(() => artifacts.keep('build', wishOf({ artifacts: ['[z-a]'] }), archive));
    expect(error.message).to.contain('the glob "[z-a]" means nothing');
    expect(dropped).to.equal(true);
  });
});

describe('artifacts of a real container', function () {
  this.timeout(60_000);
  const folder = ownFolder();
  let engine: DockerEngine;
  before(async () => { engine = testEngine(await sharedEngine()); });
  after(() => engine.close());

  it('pin defect 4: are taken out as trees, files and what globs fit', async () => {
    const it = await stepRun(engine);
    const script = `mkdir -p dist/a/b dist/empty "dist/sp ace" && echo deep > dist/a/b/c && echo ü > "dist/sp ace/ü" && ln -s a/b dist/l && ln dist/a/b/c dist/hard && chmod 700 dist/a/b/c
      echo one > one.log; echo two > two.txt; ln -s dist to-dist; ln -s /etc dist2; mkfifo dist/pipe`;
    const step = await it.steps.create(it.sh(script, { workdir: '/code' }));
    try {
      expect(await (await step.start(it.run.output)).ended, it.run.output.stderr()).to.deep.include({ exitCode: 0 });
      const artifacts = createArtifacts(folder.at('artifacts'), limits);
      for (const wish of wishesOf({ workDir: '/code', artifactPath: 'dist', artifacts: ['*.log', 'none/*', 'two.txt'] })) await artifacts.keep('job', wish, await step.get(wish.path));
      expect(treeOf(folder.at('artifacts/job'))).to.deep.equal({
        'dist': 'folder', 'dist/a': 'folder', 'dist/a/b': 'folder', 'dist/a/b/c': 'deep\n', 'dist/empty': 'folder', 'dist/hard': 'deep\n', 'dist/l': '-> a/b', 'dist/sp ace': 'folder', 'dist/sp ace/ü': 'ü\n',
        'one.log': 'one\n', 'two.txt': 'two\n',
      });
      expect(lstatSync(folder.at('artifacts/job/dist/a/b/c')).mode & 0o777).to.equal(0o700);
      const [link] = wishesOf({ artifactPath: '/code/to-dist' });
      expect((await failureOf(async () => artifacts.keep('job', link!, await step.get(link!.path)))).message).to.contain('it is a symbolic link: name what it leads to');
      const [root] = wishesOf({ workDir: '/', artifacts: ['cod?/*.log'] });
      expect(await artifacts.keep('root', root!, await step.get(root!.path))).to.deep.include({ files: 1 });
      expect(treeOf(folder.at('artifacts/root'))).to.deep.equal({ 'code': 'folder', 'code/one.log': 'one\n' });
    } finally {
      await step.remove();
      await it.run.releaseWith(releasersOf(engine));
    }
  });
});

describe('outputs of a job', () => {
  const bound = { jobOutputsBytesMax: 1_000 };

  it('are the lines of its file, of which the last counts', () => {
    expect(outputsIn('A=1\r\nB=two words = 2\nC\n A=3\nD=\n=x\nE=no\nF="quoted"\n', ['A', 'B', 'C', 'D', 'F', 'Z'])).to.deep.equal({ A: '3', B: 'two words = 2', D: '', F: '"quoted"' });
    expect(outputsIn('\uFEFF__proto__=x\nconstructor=y', ['__proto__', 'constructor', 'toString'])).to.have.own.property('constructor', 'y');
    expect(outputsIn('', ['A'])).to.deep.equal({});
  });

  it('are read from the archive of the file; none when there is none', async () => {
    expect(await readOutputs(once(await tarOf([{ name: 'output', content: 'A=ü\n' }])), ['A'], bound)).to.deep.equal({ A: 'ü' });
    expect(await readOutputs(undefined, ['A'], bound)).to.deep.equal({});
    expect(await readOutputs(once(await tarOf([{ name: 'output', type: 'symlink', linkname: '/etc/passwd' }])), ['A'], bound)).to.deep.equal({});
    expect(await readOutputs(once(await tarOf([{ name: 'output', type: 'directory' }, { name: 'output/x', content: 'A=1' }])), ['A'], bound)).to.deep.equal({});
  });

  it('are refused when there is too much of them', async () => {
    const error = await failureOf(async () => readOutputs(once(await tarOf([{ name: 'output', content: 'x'.repeat(1_001) }])), ['A'], bound));
    expect(error).to.be.instanceOf(WorkFailed);
    expect(error.message).to.contain('jobOutputsBytesMax');
  });
});
