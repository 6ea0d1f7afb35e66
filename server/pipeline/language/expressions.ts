// Whether texts are regular expressions, looked at within a bound: a short one may stand for a long program.

import { compileExpression } from '../../support/expression.ts';
import { expressionWeightMax } from './bounds.ts';

export type ExpressionCheck = (source: string) => 'compiles' | 'does not compile' | 'too many';

/** One for each check of a file: they share one bound. */
export function createExpressionCheck(): ExpressionCheck {
  const known = new Map<string, boolean>();
  let weight = 0;
  return (source) => {
    const before = known.get(source);
    if (before !== undefined) return before ? 'compiles' : 'does not compile';
    weight += weightOf(source);
    if (weight > expressionWeightMax) return 'too many';
    const compiles = compileExpression(source) !== undefined;
    known.set(source, compiles);
    return compiles ? 'compiles' : 'does not compile';
  };
}

/** About how many steps its program has: repetitions are written out, those of groups with all that is in them. */
function weightOf(source: string): number {
  const counts = [...source.matchAll(/\{(\d{1,4})(?:,(\d{0,4}))?\}/g)].map(([, least, most]) => Math.max(1, Number(least), Number(most || 0)));
  const ofGroups = source.includes('){') ? Math.min(1_000, counts.reduce((product, count) => product * count, 1)) * source.length : 0;
  return source.length + counts.reduce((sum, count) => sum + count, 0) + ofGroups;
}
