// How many jobs have to end one after the other before each job.

import type { Wait } from './order.ts';

/** A number for each job, from 0. What waits must not go in circles. */
export function stagesOf(waits: readonly (readonly Wait[])[]): readonly number[] {
  const stages = new Array<number | undefined>(waits.length).fill(undefined);
  // Asked once for each list, however many jobs share it.
  const behind = new Map<Wait, number>();
  // A stack of our own: a thousand jobs in a row would be a thousand calls deep.
  const stack: number[] = [];
  for (let first = 0; first < waits.length; first += 1) {
    stack.push(first);
    for (let at = stack.at(-1); at !== undefined; at = stack.at(-1)) {
      const missing = stages[at] === undefined ? missingOf(waits[at] ?? [], stages, behind) : [];
      if (missing.length > 0) {
        stack.push(...missing);
        continue;
      }
      stages[at] ??= Math.max(0, ...(waits[at] ?? []).map((wait) => behind.get(wait) ?? 0));
      stack.pop();
    }
  }
  return stages.map((stage) => stage ?? 0);
}

/** Jobs whose stage has to be known first; none: `behind` has all that is needed. */
function missingOf(waits: readonly Wait[], stages: readonly (number | undefined)[], behind: Map<Wait, number>): readonly number[] {
  const missing: number[] = [];
  for (const wait of waits) {
    if (behind.has(wait)) continue;
    const unknown = wait.filter((at) => stages[at] === undefined);
    if (unknown.length > 0) missing.push(...unknown);
    else behind.set(wait, wait.reduce((most, at) => Math.max(most, stages[at]! + 1), 0));
  }
  return missing;
}
