// Tests which paths globs and .dockerignore patterns match.

import { expect } from 'chai';
import { compileLinearRegExp } from '../../../calls/text/linear-regexp.ts';
import { filterByDockerignore } from '../../../server/pipeline/files/dockerignore.ts';
import { type GlobDialect, globExpression } from '../../../server/pipeline/files/glob.ts';

const matchesGlob = (glob: string, path: string, dialect: GlobDialect = 'usual'): boolean =>
  compileLinearRegExp(globExpression(glob, dialect))!.test(path);

describe('a glob', () => {
  const table: readonly (readonly [glob: string, matching: readonly string[], others: readonly string[]])[] = [
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
  for (const [glob, matching, others] of table) {
    it(`the glob ${JSON.stringify(glob)} matches the expected paths only`, () => {
      expect(matching.filter((path) => !matchesGlob(glob, path))).to.deep.equal([]);
      expect(others.filter((path) => matchesGlob(glob, path))).to.deep.equal([]);
    });
  }

  it("a glob in Docker's dialect does not expand braces", () => {
    expect(matchesGlob('{a,b}', '{a,b}', 'docker')).to.equal(true);
    expect(matchesGlob('{a,b}', 'a', 'docker')).to.equal(false);
  });

  it('every glob matches in linear time', () => {
    expect(matchesGlob(`${'*a'.repeat(50)}b`, 'a'.repeat(2_000))).to.equal(false);
    expect(matchesGlob(`${'**/a/'.repeat(30)}b`, 'a/'.repeat(1_000))).to.equal(false);
    expect(matchesGlob(`${'{a,aa}'.repeat(30)}b`, 'a'.repeat(60))).to.equal(false);
  });
});

describe('.dockerignore', () => {
  const filterPaths = (lines: readonly string[], paths: readonly string[]): Record<string, string> => {
    const filter = filterByDockerignore(lines);
    return Object.fromEntries(paths.map((path) => [path, filter(path.replace(/\/$/, ''), path.endsWith('/'))]));
  };

  it('a .dockerignore pattern is anchored at the root, unlike .gitignore', () => {
    expect(
      filterPaths(
        ['*.log', 'tmp', '**/*.bak', '/rooted/', ' spaced '],
        ['a.log', 'x/a.log', 'tmp/', 'tmp/x', 'x/tmp/', 'x/y.bak', 'rooted/', 'rooted/x', 'spaced'],
      ),
    ).to.deep.equal({
      'a.log': 'exclude',
      'x/a.log': 'include',
      'tmp/': 'exclude',
      'tmp/x': 'exclude',
      'x/tmp/': 'include',
      'x/y.bak': 'exclude',
      'rooted/': 'exclude',
      'rooted/x': 'exclude',
      spaced: 'exclude',
    });
  });

  it('the last matching line of .dockerignore decides', () => {
    expect(
      filterPaths(['*.md', '!README*.md', 'README-secret.md'], ['a.md', 'README.md', 'README-secret.md']),
    ).to.deep.equal({ 'a.md': 'exclude', 'README.md': 'include', 'README-secret.md': 'exclude' });
    expect(filterPaths(['*', '!keep/this'], ['a', 'keep/', 'keep/this', 'keep/this/too', 'keep/that'])).to.deep.equal({
      a: 'exclude',
      'keep/': 'descend',
      'keep/this': 'include',
      'keep/this/too': 'include',
      'keep/that': 'exclude',
    });
  });

  it('a .dockerignore pattern is normalized as in Docker', () => {
    expect(
      filterPaths(
        ['./a', 'b//c/', 'd/../e', '# no', '\\#yes', '', '   ', '.', '/'],
        ['a', 'b/c', 'e', 'd', '# no', '#yes', 'x'],
      ),
    ).to.deep.equal({
      a: 'exclude',
      'b/c': 'exclude',
      e: 'exclude',
      d: 'include',
      '# no': 'include',
      '#yes': 'exclude',
      x: 'include',
    });
  });

  it('an invalid .dockerignore pattern is rejected', () => {
    expect(() => filterByDockerignore(['!'])).to.throw('"!" alone');
    expect(() => filterByDockerignore(['[z-a]'])).to.throw('[z-a]');
    expect(() => filterByDockerignore(Array.from({ length: 1_001 }, (_, i) => `x${i}`))).to.throw('1001 patterns');
  });
});
