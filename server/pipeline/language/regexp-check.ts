// Checks regular expressions within a budget, because a short text can compile to a huge program.

import { compileLinearRegExp } from '../../../calls/text/linear-regexp.ts';
import { regexpBudgetMax } from './limits.ts';

export type RegexpCheck = (source: string) => 'valid' | 'invalid' | 'over-budget';

/** Create one check per file, because all expressions of a file share one budget. */
export function createRegexpCheck(): RegexpCheck {
  const results = new Map<string, boolean>();
  let weight = 0;
  return (source) => {
    const before = results.get(source);
    if (before !== undefined) return before ? 'valid' : 'invalid';
    weight += estimateProgramSize(source);
    if (weight > regexpBudgetMax) return 'over-budget';
    const compiles = compileLinearRegExp(source) !== undefined;
    results.set(source, compiles);
    return compiles ? 'valid' : 'invalid';
  };
}

/** Estimates the size of the compiled program. Compiling unrolls repetitions, and repeats groups with their content. */
function estimateProgramSize(source: string): number {
  const counts = [...source.matchAll(/\{(\d{1,4})(?:,(\d{0,4}))?\}/g)].map(([, least, most]) =>
    Math.max(1, Number(least), Number(most || 0)),
  );
  const ofGroups = source.includes('){')
    ? Math.min(
        1_000,
        counts.reduce((product, count) => product * count, 1),
      ) * source.length
    : 0;
  return source.length + counts.reduce((sum, count) => sum + count, 0) + ofGroups;
}
