import { expect } from 'chai';
import { chmodSync, lstatSync, writeFileSync } from 'node:fs';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import type { Workspace } from '../../../server/pipeline/files/files.ts';
import { buildContext, packWorkspace } from '../../../server/pipeline/files/files.ts';
import { judgeByPatterns } from '../../../server/pipeline/files/ignore-patterns.ts';
import type { IgnorePattern } from '../../../server/pipeline/language/tree.ts';
import { bytesOf, failureOf, make, ownFolder, treeOf, untar } from '../../helpers/trees.ts';

const gitignore = (...patterns: readonly string[]): IgnorePattern[] => patterns.map((pattern) => ({ gitignore: pattern }));
const expressions = (...sources: readonly string[]): IgnorePattern[] => sources.map((expression) => ({ expression }));

describe('what copyFiles copies', () => {
  const folder = ownFolder();
  const workspace = (more: Partial<Workspace> = {}): Workspace => ({ path: folder.at('ws'), hidden: [], ...more });
  async function copied(wish: Partial<Parameters<typeof packWorkspace>[1]> = {}, from = workspace()): Promise<Record<string, string>> {
    untar(await bytesOf(packWorkspace(from, { ignore: [], artifacts: [], ...wish })), folder.at('out'));
    return treeOf(folder.at('out'));
  }

  it('pin defect 18: symbolic links and empty folders are copied', async () => {
    make(folder.at('ws'), { 'a': 'a', 'link': { to: 'a' }, 'empty/': '', 'deep/er/empty/': '', 'absolute': { to: '/etc/hostname' } });
    chmodSync(folder.at('ws/a'), 0o755);
    chmodSync(folder.at('ws/empty'), 0o711);
    expect(await copied()).to.deep.equal({ 'a': 'a', 'absolute': '-> /etc/hostname', 'deep': 'folder', 'deep/er': 'folder', 'deep/er/empty': 'folder', 'empty': 'folder', 'link': '-> a' });
    expect(lstatSync(folder.at('out/a')).mode & 0o777).to.equal(0o755);
    expect(lstatSync(folder.at('out/empty')).mode & 0o777).to.equal(0o711);
  });

  it('pin defect 5: only what the patterns say is left out', async () => {
    make(folder.at('ws'), { 'x.log': '', 'sub/y.log': '', 'logs.txt': '', '.env': '', '.env.local': '', 'environment': '', 'src/client.ts': 'code', '.dot': '' });
    expect(Object.keys(await copied({ ignore: gitignore('*.log', '.env*') }))).to.deep.equal(['.dot', 'environment', 'logs.txt', 'src', 'src/client.ts', 'sub']);
  });

  it('pin defect 5: a pattern that means nothing leaves nothing out', async () => {
    make(folder.at('ws'), { 'src/client.ts': '', 'a': '' });
    expect(Object.keys(await copied({ ignore: [...gitignore('[', '[z-a]', '\\'), ...expressions('(', '[')] }))).to.deep.equal(['a', 'src', 'src/client.ts']);
  });

  it('leaves out what an expression finds anywhere in the path', () => {
    const judge = judgeByPatterns(expressions('helper/.*/.py', '^tmp', '\\.bak$', 'x1|y1'));
    const left = ['helper/a/.py', 'sub/helper/a/b/.pyc', 'tmpfile', 'sub/old.bak', 'ay1', 'ax1e'];
    const taken = ['helper/a.py', 'sub/tmp', 'old.bak.txt', 'a'];
    expect([...left, ...taken].filter((path) => judge(path, false) === 'leave')).to.deep.equal(left);
  });

  it('follows the order of gitignore patterns, and takes again what one says', () => {
    const judge = judgeByPatterns(gitignore('*.txt', '!keep.txt', 'sub/', '/top'));
    expect(['a.txt', 'keep.txt', 'top', 'x/top'].map((path) => judge(path, false))).to.deep.equal(['leave', 'take', 'leave', 'take']);
    expect(judge('x/sub', true)).to.equal('leave');
  });

  it('leaves out what any of both kinds of patterns says', () => {
    const judge = judgeByPatterns([...gitignore('!a.log', '*.tmp'), ...expressions('\\.log$')]);
    expect(['a.log', 'b.tmp', 'c'].map((path) => judge(path, false))).to.deep.equal(['leave', 'leave', 'take']);
  });

  it('refuses patterns that would take for ever, and takes no time for expressions that would elsewhere', async () => {
    make(folder.at('ws'), { ['a'.repeat(250)]: '' });
    for (const pattern of ['*a*a*a*b*', '**/*a*a/**/*a*ab', '**/a/**/a/**/a/**/a/**/b', `a${' '.repeat(2_000)}b`]) {
      expect(await failureOf(() => copied({ ignore: gitignore(pattern) }))).to.be.instanceOf(WorkFailed);
    }
    expect(await failureOf(() => copied({ ignore: gitignore(...Array.from({ length: 1_001 }, (_, i) => `x${i}`)) }))).to.be.instanceOf(WorkFailed);
    await copied({ ignore: [...gitignore('*a*a*b', '**/foo/**/bar/**/*.log'), ...expressions('(a+)+$b', '(a|a)*b', '(.*)*x')] });
  });

  it('has artifacts of earlier jobs on top, in their order', async () => {
    make(folder.at('ws'), { 'dist/app': 'old', 'src': 'src' });
    make(folder.at('artifacts/one'), { 'dist/app': 'new', 'dist/more': 'more' });
    make(folder.at('artifacts/two'), { 'dist/more': 'most', 'report.txt': 'fine' });
    const artifacts = ['one', 'none', 'two'].map((job) => folder.at('artifacts', job));
    expect(await copied({ artifacts, ignore: gitignore('dist') })).to.deep.equal({ 'dist': 'folder', 'dist/app': 'new', 'dist/more': 'most', 'report.txt': 'fine', 'src': 'src' });
  });

  it('is nothing but artifacts where there is no workspace', async () => {
    make(folder.at('artifacts/one'), { a: 'a' });
    expect(await copied({ artifacts: [folder.at('artifacts/one')] }, { hidden: [] })).to.deep.equal({ a: 'a' });
  });

  it('never has the data of the gateway in it', async () => {
    make(folder.at('ws'), { 'a': '', 'sub/data/runs/log': 'secret', 'data/x': 'mine' });
    expect(Object.keys(await copied({}, workspace({ hidden: [folder.at('ws/sub/data')] })))).to.deep.equal(['a', 'data', 'data/x', 'sub']);
  });

  it('is counted, and what changes meanwhile is told', async () => {
    make(folder.at('ws'), { 'a': '12345', 'l': { to: 'a' }, 'z': Buffer.alloc(1 << 20) });
    let packed = { files: 0, bytes: 0 };
    const warnings: string[] = [];
    let grown = false;
    for await (const _piece of packWorkspace(workspace(), { ignore: [], artifacts: [], onPacked: (all) => { packed = all; }, onWarning: (message) => warnings.push(message) })) {
      if (!grown) writeFileSync(folder.at('ws/z'), 'x', { flag: 'a' });
      grown = true;
    }
    expect(packed).to.deep.equal({ files: 3, bytes: 5 + (1 << 20) });
    expect(warnings).to.deep.equal(['copying "z": became longer while it was read: what came later is left out']);
  });

  it('fails as work does when it cannot be read', async () => {
    const error = await failureOf(() => bytesOf(packWorkspace(workspace({ path: folder.at('gone') }), { ignore: [], artifacts: [] })));
    expect(error).to.be.instanceOf(WorkFailed);
    expect(error.message).to.equal('cannot copy the files: cannot read the folder: no such file or directory');
  });
});

describe('the context of a build', () => {
  const folder = ownFolder();
  const workspace = (): Workspace => ({ path: folder.at('ws'), hidden: [] });
  async function contextOf(dockerfile: string, from = workspace()): Promise<readonly [string, Record<string, string>]> {
    const context = await buildContext(from, dockerfile);
    untar(await bytesOf(context.archive), folder.at('out'));
    return [context.dockerfile, treeOf(folder.at('out'))];
  }

  it('is the folder of the Dockerfile', async () => {
    make(folder.at('ws'), { 'a': '', 'docker/Dockerfile.web': 'FROM x', 'docker/app/b': 'b', 'docker/link': { to: 'app' } });
    expect(await contextOf('docker/Dockerfile.web')).to.deep.equal(['Dockerfile.web', { 'Dockerfile.web': 'FROM x', 'app': 'folder', 'app/b': 'b', 'link': '-> app' }]);
  });

  it('is without what .dockerignore says, but never without the Dockerfile and itself, which the engine leaves out of the image', async () => {
    const ignored = '\uFEFF# comment\n*\n!src\nsrc/*.log\r\n!/src/keep.log\n';
    make(folder.at('ws'), { '.dockerignore': ignored, 'Dockerfile': 'FROM x', 'a': '', 'src/b': 'b', 'src/x.log': '', 'src/keep.log': 'k', 'node_modules/deep/c': '' });
    expect(await contextOf('./Dockerfile')).to.deep.equal(['Dockerfile', { '.dockerignore': ignored, 'Dockerfile': 'FROM x', 'src': 'folder', 'src/b': 'b', 'src/keep.log': 'k' }]);
  });

  it('takes again what is in a folder that is left out, with the folders it is in', async () => {
    make(folder.at('ws'), { '.dockerignore': 'out\n!out/deep/kept', 'Dockerfile': 'F', 'out/a': '', 'out/deep/kept': 'k', 'out/deep/b': '' });
    expect((await contextOf('Dockerfile'))[1]).to.deep.equal({ '.dockerignore': 'out\n!out/deep/kept', 'Dockerfile': 'F', 'out': 'folder', 'out/deep': 'folder', 'out/deep/kept': 'k' });
  });

  it('listens to the file that is for this Dockerfile alone', async () => {
    make(folder.at('ws'), { '.dockerignore': 'a', 'web.dockerignore': 'b', 'web': 'FROM x', 'a': '1', 'b': '2' });
    expect(Object.keys((await contextOf('web'))[1])).to.deep.equal(['.dockerignore', 'a', 'web', 'web.dockerignore']);
  });

  it('is refused when the Dockerfile is not there, or not inside', async () => {
    make(folder.at('ws'), { 'out': { to: '../outside' }, 'linked': { to: '../outside/Dockerfile' }, 'folder/': '', 'back': { to: '../back' } });
    make(folder.at('outside'), { Dockerfile: 'FROM secret' });
    make(folder.path, { 'back/Dockerfile': { to: '../ws/real' }, 'ws/real': 'FROM x' });
    const cases = { 'Dockerfile': /no such file/, '../outside/Dockerfile': /outside/, '/etc/hostname': /outside/, 'out/Dockerfile': /leads/, 'linked': /leads/, 'folder': /not a file/, '.': /outside/, 'back/Dockerfile': /leads/ };
    for (const [dockerfile, reason] of Object.entries(cases)) {
      const error = await failureOf(() => buildContext(workspace(), dockerfile));
      expect(error, dockerfile).to.be.instanceOf(WorkFailed);
      expect(error.message, dockerfile).to.match(reason);
      expect(error.message, dockerfile).to.contain(`cannot build from "${dockerfile}"`);
    }
    expect((await failureOf(() => buildContext({ hidden: [] }, 'Dockerfile'))).message).to.equal('cannot build from "Dockerfile": the pipeline was given no files');
  });

  it('is refused when .dockerignore means nothing', async () => {
    make(folder.at('ws'), { 'Dockerfile': '', '.dockerignore': 'a\n[z-a]\n' });
    const error = await failureOf(() => buildContext(workspace(), 'Dockerfile'));
    expect(error).to.be.instanceOf(WorkFailed);
    expect(error.message).to.contain('[z-a]');
  });
});
