// The combinations of a matrix.

import type { Axis } from './model.ts';

type Combination = Readonly<Record<string, string>>;

/** Returns all combinations. The first axis changes slowest. Without an axis, returns one empty combination. */
export function listCombinations(axes: readonly Axis[]): readonly Combination[] {
  return axes.reduce<Combination[]>(
    (partial, { name, values }) =>
      partial.flatMap((combination) => values.map((value) => ({ ...combination, [name]: value }))),
    [{}],
  );
}

/** True if the combination has all values of one item of `exclude`. */
export function isExcluded(combination: Combination, exclude: readonly Combination[]): boolean {
  return exclude.some((values) => Object.entries(values).every(([name, value]) => combination[name] === value));
}
