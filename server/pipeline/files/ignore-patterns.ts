// What `copyIgnore` leaves out.

import { judgeByAll, judgeByGitignore } from '../../support/archive/gitignore.ts';
import type { Judge } from '../../support/archive/walk.ts';
import { compileExpression } from '../../support/expression.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import type { IgnorePattern } from '../language/tree.ts';
import { patternsMax } from './dockerignore.ts';

/**
 * The gitignore patterns together, in their order, and each expression on its own, looked for anywhere in the relative path. An expression that does not compile
 * is a gitignore pattern. Throws WorkFailed for a pattern that would take too long.
 */
export function judgeByPatterns(patterns: readonly IgnorePattern[]): Judge {
  if (patterns.length > patternsMax) throw new WorkFailed(`copyIgnore has ${patterns.length} patterns: at most ${patternsMax} are looked at for each file`);
  const expressions = patterns.flatMap((pattern) => ('expression' in pattern ? compileExpression(pattern.expression) ?? [] : []));
  const gitignore = patterns.flatMap((pattern) => {
    if ('gitignore' in pattern) return [pattern.gitignore];
    return compileExpression(pattern.expression) === undefined ? [pattern.expression] : [];
  });
  const slow = gitignore.find(isSlow);
  if (slow !== undefined) throw new WorkFailed(`copyIgnore: "${slow}" has too many stars: at most ${starsMax} in a part of a path, and ${starsMax} parts of "**"`);
  return judgeByAll([
    judgeByGitignore(gitignore),
    ...expressions.map((expression): Judge => (path) => (expression.test(path) ? 'leave' : 'take')),
  ]);
}

/** The time that one pattern takes on one name grows with the length of the name to this power. */
const starsMax = 3;

export function isSlow(pattern: string): boolean {
  const parts = pattern.split('/');
  const deep = parts.filter((part) => /^\*\*+$/.test(part)).length;
  return deep > starsMax || parts.some((part) => (part.match(/\*+/g) ?? []).length > starsMax);
}
