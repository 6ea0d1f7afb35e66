// What `copyIgnore` leaves out.

import { judgeByAll, judgeByGitignore } from '../../support/archive/gitignore.ts';
import type { Judge } from '../../support/archive/walk.ts';
import { compileExpression } from '../../support/expression.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import type { IgnorePattern } from '../language/tree.ts';
import { patternCharsMax, patternsMax } from './dockerignore.ts';

/**
 * The gitignore patterns together, in their order, and each expression on its own, looked for anywhere in the relative path. An expression that does not compile
 * is a gitignore pattern. Throws WorkFailed for a pattern that would take too long.
 */
export function judgeByPatterns(patterns: readonly IgnorePattern[]): Judge {
  if (patterns.length > patternsMax) throw new WorkFailed(`copyIgnore has ${patterns.length} patterns: at most ${patternsMax} are looked at for each file`);
  const long = patterns.map((pattern) => ('gitignore' in pattern ? pattern.gitignore : pattern.expression)).find((text) => text.length > patternCharsMax);
  if (long !== undefined) throw new WorkFailed(`copyIgnore: "${long.slice(0, 50)}…" has ${long.length} characters: at most ${patternCharsMax} are looked at`);
  const expressions = patterns.flatMap((pattern) => ('expression' in pattern ? compileExpression(pattern.expression) ?? [] : []));
  const gitignore = patterns.flatMap((pattern) => {
    if ('gitignore' in pattern) return [pattern.gitignore];
    return compileExpression(pattern.expression) === undefined ? [pattern.expression] : [];
  });
  const slow = gitignore.find((pattern) => stepsOf(pattern) > stepsMax);
  if (slow !== undefined) throw new WorkFailed(`copyIgnore: "${slow}" has too many stars: it might take for ever; make it several patterns`);
  return judgeByAll([
    judgeByGitignore(gitignore),
    ...expressions.map((expression): Judge => (path) => (expression.test(path) ? 'leave' : 'take')),
  ]);
}

/** What one pattern may take on one path at the worst: a tenth of a second or so. */
const stepsMax = 100_000_000;
const partCharsMax = 255;
const partsMax = 64;

/** Each star may stand for any part of a name, and each double star for any number of folders; at the worst all of it is tried with all the others. */
function stepsOf(pattern: string): number {
  return pattern.split('/').reduce((steps, part) => {
    if (/^\*\*+$/.test(part)) return steps * partsMax;
    return steps * partCharsMax ** (part.match(/\*+/g) ?? []).length;
  }, 1);
}
