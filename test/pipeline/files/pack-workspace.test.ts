// Tests which files copyFiles copies into a job, and which files a build context contains.

import { chmodSync, lstatSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import type { Workspace } from '../../../server/pipeline/files/files.ts';
import { buildContext, packWorkspace } from '../../../server/pipeline/files/files.ts';
import { filterByPatterns } from '../../../server/pipeline/files/ignore-patterns.ts';
import type { IgnorePattern } from '../../../server/pipeline/language/model.ts';
import {
  catchError,
  readBytes,
  readFolder,
  untar,
  useTempFolder,
  writeFiles,
} from '../../helpers/archive/file-trees.ts';

const gitignore = (...patterns: readonly string[]): IgnorePattern[] =>
  patterns.map((pattern) => ({ gitignore: pattern }));
const expressions = (...sources: readonly string[]): IgnorePattern[] => sources.map((expression) => ({ expression }));

describe('packing the files that copyFiles copies', () => {
  const folder = useTempFolder();
  const workspace = (more: Partial<Workspace> = {}): Workspace => ({ path: folder.at('ws'), hidden: [], ...more });
  async function copied(
    options: Partial<Parameters<typeof packWorkspace>[1]> = {},
    from = workspace(),
  ): Promise<Record<string, string>> {
    untar(await readBytes(packWorkspace(from, { ignore: [], artifacts: [], ...options })), folder.at('out'));
    return readFolder(folder.at('out'));
  }

  it('pin defect 18: copyFiles copies symbolic links and empty folders', async () => {
    writeFiles(folder.at('ws'), {
      a: 'a',
      link: { to: 'a' },
      'empty/': '',
      'deep/er/empty/': '',
      absolute: { to: '/etc/hostname' },
    });
    chmodSync(folder.at('ws/a'), 0o755);
    chmodSync(folder.at('ws/empty'), 0o711);
    expect(await copied()).to.deep.equal({
      a: 'a',
      absolute: '-> /etc/hostname',
      deep: 'folder',
      'deep/er': 'folder',
      'deep/er/empty': 'folder',
      empty: 'folder',
      link: '-> a',
    });
    expect(lstatSync(folder.at('out/a')).mode & 0o777).to.equal(0o755);
    expect(lstatSync(folder.at('out/empty')).mode & 0o777).to.equal(0o711);
  });

  it('pin defect 5: copyIgnore excludes only what its patterns match', async () => {
    writeFiles(folder.at('ws'), {
      'x.log': '',
      'sub/y.log': '',
      'logs.txt': '',
      '.env': '',
      '.env.local': '',
      environment: '',
      'src/client.ts': 'code',
      '.dot': '',
    });
    expect(Object.keys(await copied({ ignore: gitignore('*.log', '.env*') }))).to.deep.equal([
      '.dot',
      'environment',
      'logs.txt',
      'src',
      'src/client.ts',
      'sub',
    ]);
  });

  it('pin defect 5: an invalid copyIgnore pattern excludes nothing', async () => {
    writeFiles(folder.at('ws'), { 'src/client.ts': '', a: '' });
    expect(
      Object.keys(await copied({ ignore: [...gitignore('[', '[z-a]', '\\'), ...expressions('(', '[')] })),
    ).to.deep.equal(['a', 'src', 'src/client.ts']);
  });

  it('copyIgnore excludes every path in which one of its regular expressions matches', () => {
    const filter = filterByPatterns(expressions('helper/.*/.py', '^tmp', '\\.bak$', 'x1|y1'));
    const left = ['helper/a/.py', 'sub/helper/a/b/.pyc', 'tmpfile', 'sub/old.bak', 'ay1', 'ax1e'];
    const taken = ['helper/a.py', 'sub/tmp', 'old.bak.txt', 'a'];
    expect([...left, ...taken].filter((path) => filter(path, false) === 'exclude')).to.deep.equal(left);
  });

  it('copyIgnore applies gitignore patterns in order and can include a path again', () => {
    const filter = filterByPatterns(gitignore('*.txt', '!keep.txt', 'sub/', '/top'));
    expect(['a.txt', 'keep.txt', 'top', 'x/top'].map((path) => filter(path, false))).to.deep.equal([
      'exclude',
      'include',
      'exclude',
      'include',
    ]);
    expect(filter('x/sub', true)).to.equal('exclude');
  });

  it('copyIgnore excludes each path that its gitignore patterns or its regular expressions exclude', () => {
    const filter = filterByPatterns([...gitignore('!a.log', '*.tmp'), ...expressions('\\.log$')]);
    expect(['a.log', 'b.tmp', 'c'].map((path) => filter(path, false))).to.deep.equal(['exclude', 'exclude', 'include']);
  });

  it('copyIgnore rejects slow gitignore patterns and runs every regular expression in linear time', async () => {
    writeFiles(folder.at('ws'), { ['a'.repeat(250)]: '' });
    for (const pattern of ['*a*a*a*b*', '**/*a*a/**/*a*ab', '**/a/**/a/**/a/**/a/**/b', `a${' '.repeat(2_000)}b`]) {
      expect(await catchError(() => copied({ ignore: gitignore(pattern) }))).to.be.instanceOf(WorkFailed);
    }
    expect(
      await catchError(() => copied({ ignore: gitignore(...Array.from({ length: 1_001 }, (_, i) => `x${i}`)) })),
    ).to.be.instanceOf(WorkFailed);
    await copied({
      ignore: [...gitignore('*a*a*b', '**/foo/**/bar/**/*.log'), ...expressions('(a+)+$b', '(a|a)*b', '(.*)*x')],
    });
  });

  it('copyFiles copies artifacts of earlier jobs over the workspace, in the order of the jobs', async () => {
    writeFiles(folder.at('ws'), { 'dist/app': 'old', src: 'src' });
    writeFiles(folder.at('artifacts/one'), { 'dist/app': 'new', 'dist/more': 'more' });
    writeFiles(folder.at('artifacts/two'), { 'dist/more': 'most', 'report.txt': 'fine' });
    const artifacts = ['one', 'none', 'two'].map((job) => folder.at('artifacts', job));
    expect(await copied({ artifacts, ignore: gitignore('dist') })).to.deep.equal({
      dist: 'folder',
      'dist/app': 'new',
      'dist/more': 'most',
      'report.txt': 'fine',
      src: 'src',
    });
  });

  it('copyFiles without a workspace copies only artifacts', async () => {
    writeFiles(folder.at('artifacts/one'), { a: 'a' });
    expect(await copied({ artifacts: [folder.at('artifacts/one')] }, { hidden: [] })).to.deep.equal({ a: 'a' });
  });

  it("copyFiles never copies the gateway's data folder", async () => {
    writeFiles(folder.at('ws'), { a: '', 'sub/data/runs/log': 'secret', 'data/x': 'mine' });
    expect(Object.keys(await copied({}, workspace({ hidden: [folder.at('ws/sub/data')] })))).to.deep.equal([
      'a',
      'data',
      'data/x',
      'sub',
    ]);
  });

  it('copyFiles counts what it copies, and warns about files that change during the copy', async () => {
    writeFiles(folder.at('ws'), { a: '12345', l: { to: 'a' }, z: Buffer.alloc(1 << 20) });
    let packed = { files: 0, bytes: 0 };
    const warnings: string[] = [];
    let hasGrown = false;
    for await (const _piece of packWorkspace(workspace(), {
      ignore: [],
      artifacts: [],
      onPacked: (all) => {
        packed = all;
      },
      onWarning: (message) => warnings.push(message),
    })) {
      if (!hasGrown) writeFileSync(folder.at('ws/z'), 'x', { flag: 'a' });
      hasGrown = true;
    }
    expect(packed).to.deep.equal({ files: 3, bytes: 5 + (1 << 20) });
    expect(warnings).to.deep.equal(['copying "z": grew while it was read: the new content is left out']);
  });

  it('copyFiles fails with WorkFailed when a file cannot be read', async () => {
    const error = await catchError(() =>
      readBytes(packWorkspace(workspace({ path: folder.at('gone') }), { ignore: [], artifacts: [] })),
    );
    expect(error).to.be.instanceOf(WorkFailed);
    expect(error.message).to.equal('cannot copy the files: cannot read the folder: no such file or directory');
  });
});

describe('the build context', () => {
  const folder = useTempFolder();
  const workspace = (): Workspace => ({ path: folder.at('ws'), hidden: [] });
  async function packContext(
    dockerfile: string,
    from = workspace(),
  ): Promise<readonly [string, Record<string, string>]> {
    const context = await buildContext(from, dockerfile);
    untar(await readBytes(context.archive), folder.at('out'));
    return [context.dockerfile, readFolder(folder.at('out'))];
  }

  it('the build context is the folder of the Dockerfile', async () => {
    writeFiles(folder.at('ws'), {
      a: '',
      'docker/Dockerfile.web': 'FROM x',
      'docker/app/b': 'b',
      'docker/link': { to: 'app' },
    });
    expect(await packContext('docker/Dockerfile.web')).to.deep.equal([
      'Dockerfile.web',
      { 'Dockerfile.web': 'FROM x', app: 'folder', 'app/b': 'b', link: '-> app' },
    ]);
  });

  it('the build context omits what .dockerignore excludes, but never the Dockerfile or .dockerignore', async () => {
    const ignored = '\uFEFF# comment\n*\n!src\nsrc/*.log\r\n!/src/keep.log\n';
    writeFiles(folder.at('ws'), {
      '.dockerignore': ignored,
      Dockerfile: 'FROM x',
      a: '',
      'src/b': 'b',
      'src/x.log': '',
      'src/keep.log': 'k',
      'node_modules/deep/c': '',
    });
    expect(await packContext('./Dockerfile')).to.deep.equal([
      'Dockerfile',
      { '.dockerignore': ignored, Dockerfile: 'FROM x', src: 'folder', 'src/b': 'b', 'src/keep.log': 'k' },
    ]);
  });

  it('the build context can include files of an excluded folder again, with their parent folders', async () => {
    writeFiles(folder.at('ws'), {
      '.dockerignore': 'out\n!out/deep/kept',
      Dockerfile: 'F',
      'out/a': '',
      'out/deep/kept': 'k',
      'out/deep/b': '',
    });
    expect((await packContext('Dockerfile'))[1]).to.deep.equal({
      '.dockerignore': 'out\n!out/deep/kept',
      Dockerfile: 'F',
      out: 'folder',
      'out/deep': 'folder',
      'out/deep/kept': 'k',
    });
  });

  it('an ignore file for one Dockerfile replaces .dockerignore', async () => {
    writeFiles(folder.at('ws'), { '.dockerignore': 'a', 'web.dockerignore': 'b', web: 'FROM x', a: '1', b: '2' });
    expect(Object.keys((await packContext('web'))[1])).to.deep.equal(['.dockerignore', 'a', 'web', 'web.dockerignore']);
  });

  it('a build context is rejected when the Dockerfile is missing or outside the workspace', async () => {
    writeFiles(folder.at('ws'), {
      out: { to: '../outside' },
      linked: { to: '../outside/Dockerfile' },
      'folder/': '',
      back: { to: '../back' },
    });
    writeFiles(folder.at('outside'), { Dockerfile: 'FROM secret' });
    writeFiles(folder.path, { 'back/Dockerfile': { to: '../ws/real' }, 'ws/real': 'FROM x' });
    const cases = {
      Dockerfile: /no such file/,
      '../outside/Dockerfile': /outside/,
      '/etc/hostname': /outside/,
      'out/Dockerfile': /leads/,
      linked: /leads/,
      folder: /not a file/,
      '.': /outside/,
      'back/Dockerfile': /leads/,
    };
    for (const [dockerfile, reason] of Object.entries(cases)) {
      const error = await catchError(() => buildContext(workspace(), dockerfile));
      expect(error, dockerfile).to.be.instanceOf(WorkFailed);
      expect(error.message, dockerfile).to.match(reason);
      expect(error.message, dockerfile).to.contain(`cannot build from "${dockerfile}"`);
    }
    expect((await catchError(() => buildContext({ hidden: [] }, 'Dockerfile'))).message).to.equal(
      'cannot build from "Dockerfile": the pipeline has no workspace; start it with a workspace',
    );
  });

  it('a build context is rejected when .dockerignore is invalid', async () => {
    writeFiles(folder.at('ws'), { Dockerfile: '', '.dockerignore': 'a\n[z-a]\n' });
    const error = await catchError(() => buildContext(workspace(), 'Dockerfile'));
    expect(error).to.be.instanceOf(WorkFailed);
    expect(error.message).to.contain('[z-a]');
  });
});
