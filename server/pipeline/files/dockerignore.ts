// Path filter for `.dockerignore` (https://docs.docker.com/build/concepts/context/#dockerignore-files). The syntax
// resembles .gitignore but differs in detail.

import { posix } from 'node:path';
import { compileLinearRegExp, type LinearRegExp } from '../../../calls/text/linear-regexp.ts';
import { ArchiveError } from '../../archive/archive-error.ts';
import type { PathFilter } from '../../archive/walk-folder.ts';
import { globExpression } from './glob.ts';

/** Limits of .dockerignore and `copyIgnore`, because each pattern is tested against each file. */
export const patternsMax = 1_000;
export const patternCharsMax = 1_000;

interface Rule {
  /** True for a pattern that starts with `!`. */
  readonly reincludes: boolean;
  readonly glob: string;
  readonly expression: LinearRegExp;
}

/**
 * Returns the filter. All patterns are anchored at the root. The last pattern that matches the path or one of its
 * parent folders decides. A pattern with `!` can include a path in an excluded folder again.
 *
 * Throws ArchiveError for an invalid pattern, because ignoring the pattern would put unwanted files into the image.
 */
export function filterByDockerignore(lines: readonly string[]): PathFilter {
  const rules = lines.flatMap(parseRule);
  if (rules.length > patternsMax)
    throw new ArchiveError(`.dockerignore has ${rules.length} patterns; at most ${patternsMax} are allowed`);
  const anyReincludes = rules.some(({ reincludes }) => reincludes);
  return (path, isFolder) => {
    if (!isExcluded(path, rules)) return 'include';
    return isFolder && anyReincludes ? 'descend' : 'exclude';
  };
}

function parseRule(line: string): readonly Rule[] {
  if (line.startsWith('#')) return [];
  const text = line.trim();
  const reincludes = text.startsWith('!');
  const written = reincludes ? text.slice(1).trim() : text;
  if (written === '') {
    if (reincludes) throw new ArchiveError('.dockerignore: "!" alone is invalid: add the pattern to include');
    return [];
  }
  if (written.length > patternCharsMax)
    throw new ArchiveError(
      `.dockerignore: a pattern has ${written.length} characters; at most ${patternCharsMax} are allowed`,
    );
  const glob = posix
    .normalize(written)
    .replace(/^\/(?=.)/, '')
    .replace(/(?<=.)\/$/, '');
  const expression = compileLinearRegExp(globExpression(glob, 'docker'));
  if (expression === undefined)
    throw new ArchiveError(`.dockerignore: the pattern "${text}" is invalid: check its brackets`);
  return [{ reincludes, glob, expression }];
}

function isExcluded(path: string, rules: readonly Rule[]): boolean {
  const paths = pathAndParents(path);
  const last = rules.findLast(({ expression }) => paths.some((one) => expression.test(one)));
  return last !== undefined && !last.reincludes;
}

/** For `a/b/c`, returns `a/b/c`, `a/b` and `a`. */
export function pathAndParents(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.map((_part, at) => parts.slice(0, parts.length - at).join('/'));
}
