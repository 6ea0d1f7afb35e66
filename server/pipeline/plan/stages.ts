// Computes the stage of each job: the length of the longest chain of jobs that must end before it starts.

import type { DependencySet } from './dependencies.ts';

/** Returns one number per job, from 0. The dependencies must not contain a cycle. */
export function computeStages(dependencies: readonly (readonly DependencySet[])[]): readonly number[] {
  const stages = new Array<number | undefined>(dependencies.length).fill(undefined);
  // Cache the stage after each list of dependencies, because many jobs may share a list.
  const stageAfter = new Map<DependencySet, number>();
  // Use an explicit stack, because a chain of a thousand jobs would need a thousand recursive calls.
  const stack: number[] = [];
  for (let first = 0; first < dependencies.length; first += 1) {
    stack.push(first);
    for (let at = stack.at(-1); at !== undefined; at = stack.at(-1)) {
      const unresolved = stages[at] === undefined ? unresolvedJobs(dependencies[at] ?? [], stages, stageAfter) : [];
      if (unresolved.length > 0) {
        stack.push(...unresolved);
        continue;
      }
      stages[at] ??= Math.max(
        0,
        ...(dependencies[at] ?? []).map((dependencySet) => stageAfter.get(dependencySet) ?? 0),
      );
      stack.pop();
    }
  }
  return stages.map((stage) => stage ?? 0);
}

/** Returns the jobs whose stage must be computed first. If there are none, `stageAfter` has an entry for every list. */
function unresolvedJobs(
  dependencies: readonly DependencySet[],
  stages: readonly (number | undefined)[],
  stageAfter: Map<DependencySet, number>,
): readonly number[] {
  const unresolved: number[] = [];
  for (const dependencySet of dependencies) {
    if (stageAfter.has(dependencySet)) continue;
    const unknown = dependencySet.filter((at) => stages[at] === undefined);
    if (unknown.length > 0) unresolved.push(...unknown);
    else
      stageAfter.set(
        dependencySet,
        dependencySet.reduce((most, at) => Math.max(most, stages[at]! + 1), 0),
      );
  }
  return unresolved;
}
