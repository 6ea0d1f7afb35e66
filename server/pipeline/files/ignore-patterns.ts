// Creates the path filter for the key `copyIgnore`.

import { WorkFailed } from '../../../calls/contract/engines.ts';
import { compileLinearRegExp } from '../../../calls/text/linear-regexp.ts';
import { combineFilters, filterByGitignore } from '../../archive/gitignore.ts';
import type { PathFilter } from '../../archive/walk-folder.ts';
import type { IgnorePattern } from '../language/model.ts';
import { patternCharsMax, patternsMax } from './dockerignore.ts';

/**
 * Applies the gitignore patterns together, in their order. Searches for each regular expression anywhere in the
 * relative path. An expression that does not compile is used as a gitignore pattern.
 *
 * Throws WorkFailed for too many patterns, and for a pattern that is too long or would take too long.
 */
export function filterByPatterns(patterns: readonly IgnorePattern[]): PathFilter {
  checkPatternSizes(patterns);
  const expressions = patterns.flatMap((pattern) =>
    'expression' in pattern ? (compileLinearRegExp(pattern.expression) ?? []) : [],
  );
  const gitignore = patterns.flatMap((pattern) => {
    if ('gitignore' in pattern) return [pattern.gitignore];
    return compileLinearRegExp(pattern.expression) === undefined ? [pattern.expression] : [];
  });
  const slow = gitignore.find((pattern) => worstCaseSteps(pattern) > stepsMax);
  if (slow !== undefined)
    throw new WorkFailed(
      `copyIgnore: "${slow}" has too many stars and could take forever; split it into several patterns`,
    );
  return combineFilters([
    filterByGitignore(gitignore),
    ...expressions.map(
      (expression): PathFilter =>
        (path) =>
          expression.test(path) ? 'exclude' : 'include',
    ),
  ]);
}

function checkPatternSizes(patterns: readonly IgnorePattern[]): void {
  if (patterns.length > patternsMax)
    throw new WorkFailed(`copyIgnore has ${patterns.length} patterns; at most ${patternsMax} are allowed`);
  const long = patterns
    .map((pattern) => ('gitignore' in pattern ? pattern.gitignore : pattern.expression))
    .find((text) => text.length > patternCharsMax);
  if (long !== undefined)
    throw new WorkFailed(
      `copyIgnore: "${long.slice(0, 50)}…" has ${long.length} characters; at most ${patternCharsMax} are allowed`,
    );
}

/** Maximum number of matching steps for one pattern on one path. These take about a tenth of a second. */
const stepsMax = 100_000_000;
const partCharsMax = 255;
const partsMax = 64;

/**
 * Estimates the steps if the matcher tries every combination. A star can match any part of a name, and a double star
 * any number of folders.
 */
function worstCaseSteps(pattern: string): number {
  return pattern.split('/').reduce((steps, part) => {
    if (/^\*\*+$/.test(part)) return steps * partsMax;
    return steps * partCharsMax ** (part.match(/\*+/g) ?? []).length;
  }, 1);
}
