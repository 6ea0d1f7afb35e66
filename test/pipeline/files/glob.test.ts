import { expect } from 'chai';
import { judgeByDockerignore } from '../../../server/pipeline/files/dockerignore.ts';
import { globExpression, type Dialect } from '../../../server/pipeline/files/glob.ts';
import { compileExpression } from '../../../server/support/expression.ts';

const fits = (glob: string, path: string, dialect: Dialect = 'usual'): boolean => compileExpression(globExpression(glob, dialect))!.test(path);

describe('a glob', () => {
  const table: readonly (readonly [glob: string, fitting: readonly string[], others: readonly string[]])[] = [
    ['*.js', ['a.js', '.js', 'ü.js'], ['a/b.js', 'a.jsx', 'ajs']],
    ['a/*', ['a/b', 'a/.b'], ['a', 'a/', 'a/b/c'].filter((path) => path !== 'a/')],
    ['**/x', ['x', 'a/x', 'a/b/x'], ['ax', 'x/a', 'a/bx']],
    ['a/**', ['a/b', 'a/b/c'], ['a', 'ab']],
    ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b'], ['ab', 'a/xb']],
    ['**', ['a', 'a/b'], []],
    ['**.js', ['a.js', 'a/b.js'], ['a.ts']],
    ['?.txt', ['a.txt', '🙂.txt'], ['.txt', 'ab.txt', '/.txt']],
    ['[a-c]x', ['ax', 'cx'], ['dx', '-x']],
    ['[!a]x', ['bx'], ['ax', '/x', 'x']],
    ['[]]', [']'], ['[']],
    ['[x', ['[x'], ['x']],
    ['{a,b/c}.{x,y}', ['a.x', 'b/c.y'], ['a', '{a,b/c}.x', 'a.z']],
    ['{a,{b,c}d}', ['a', 'bd', 'cd'], ['ad']],
    ['{a', ['{a'], ['a']],
    ['a,b', ['a,b'], ['a']],
    ['\\*\\{', ['*{'], ['a{']],
    ['a+(b)|^$.c', ['a+(b)|^$.c'], ['aab']],
    ['a b\nc', ['a b\nc'], []],
  ];
  for (const [glob, fitting, others] of table) {
    it(`${JSON.stringify(glob)} fits what it should`, () => {
      expect(fitting.filter((path) => !fits(glob, path))).to.deep.equal([]);
      expect(others.filter((path) => fits(glob, path))).to.deep.equal([]);
    });
  }

  it('takes no braces from Docker', () => {
    expect(fits('{a,b}', '{a,b}', 'docker')).to.equal(true);
    expect(fits('{a,b}', 'a', 'docker')).to.equal(false);
  });

  it('takes time in proportion, however it is written', () => {
    expect(fits(`${'*a'.repeat(50)}b`, 'a'.repeat(2_000))).to.equal(false);
    expect(fits(`${'**/a/'.repeat(30)}b`, 'a/'.repeat(1_000))).to.equal(false);
    expect(fits(`${'{a,aa}'.repeat(30)}b`, 'a'.repeat(60))).to.equal(false);
  });
});

describe('.dockerignore', () => {
  const verdicts = (lines: readonly string[], paths: readonly string[]): Record<string, string> => {
    const judge = judgeByDockerignore(lines);
    return Object.fromEntries(paths.map((path) => [path, judge(path.replace(/\/$/, ''), path.endsWith('/'))]));
  };

  it('is anchored at the root, unlike .gitignore', () => {
    expect(verdicts(['*.log', 'tmp', '**/*.bak', '/rooted/', ' spaced '], ['a.log', 'x/a.log', 'tmp/', 'tmp/x', 'x/tmp/', 'x/y.bak', 'rooted/', 'rooted/x', 'spaced'])).to.deep.equal({
      'a.log': 'leave', 'x/a.log': 'take', 'tmp/': 'leave', 'tmp/x': 'leave', 'x/tmp/': 'take', 'x/y.bak': 'leave', 'rooted/': 'leave', 'rooted/x': 'leave', 'spaced': 'leave',
    });
  });

  it('listens to the last line that fits', () => {
    expect(verdicts(['*.md', '!README*.md', 'README-secret.md'], ['a.md', 'README.md', 'README-secret.md'])).to.deep.equal({ 'a.md': 'leave', 'README.md': 'take', 'README-secret.md': 'leave' });
    expect(verdicts(['*', '!keep/this'], ['a', 'keep/', 'keep/this', 'keep/this/too', 'keep/that'])).to.deep.equal({ 'a': 'leave', 'keep/': 'look', 'keep/this': 'take', 'keep/this/too': 'take', 'keep/that': 'leave' });
  });

  it('cleans its patterns as Docker does', () => {
    expect(verdicts(['./a', 'b//c/', 'd/../e', '# no', '\\#yes', '', '   ', '.', '/'], ['a', 'b/c', 'e', 'd', '# no', '#yes', 'x'])).to.deep.equal({
      'a': 'leave', 'b/c': 'leave', 'e': 'leave', 'd': 'take', '# no': 'take', '#yes': 'leave', 'x': 'take',
    });
  });

  it('is refused where it means nothing', () => {
    expect(() => judgeByDockerignore(['!'])).to.throw('"!" alone');
    expect(() => judgeByDockerignore(['[z-a]'])).to.throw('[z-a]');
    expect(() => judgeByDockerignore(Array.from({ length: 1_001 }, (_, i) => `x${i}`))).to.throw('1001 patterns');
  });
});
