// Computes which jobs each job waits for, from the workflow, its parallel steps, and needs.

import type { JobVariant } from './expand-matrix.ts';

/** Indexes of jobs that must end before another job starts. Jobs with the same dependencies share one list. */
export type DependencySet = readonly number[];

/**
 * Returns the dependencies of each job. A job with `needs` waits for all jobs of those names and for no others. Other
 * jobs of a workflow wait for the previous step: one job, or consecutive parallel jobs. Without a workflow, only needs
 * order the jobs.
 */
export function computeDependencies(
  variants: readonly JobVariant[],
  workflow: boolean,
): readonly (readonly DependencySet[])[] {
  const indexes = indexesByName(variants);
  const dependencies = variants.map(({ job }) => (job.needs ?? []).map(({ name }) => indexes.get(name) ?? []));
  if (!workflow) return dependencies;
  let previous: DependencySet | undefined;
  for (const step of workflowSteps(variants)) {
    for (const at of step) dependencies[at] = previous === undefined ? [] : [previous];
    previous = step;
  }
  return dependencies;
}

function indexesByName(variants: readonly JobVariant[]): ReadonlyMap<string, DependencySet> {
  const indexes = new Map<string, number[]>();
  variants.forEach(({ job: { name } }, at) => {
    const known = indexes.get(name);
    if (known === undefined) indexes.set(name, [at]);
    else known.push(at);
  });
  return indexes;
}

/**
 * Groups the jobs into the steps of the workflow. Jobs with needs belong to no step. All combinations of one matrix
 * belong to one step, parallel or not.
 */
function workflowSteps(variants: readonly JobVariant[]): readonly DependencySet[] {
  const steps: number[][] = [];
  let last: JobVariant | undefined;
  variants.forEach((variant, at) => {
    if (variant.job.needs !== undefined) return;
    if (last !== undefined && sameStep(last, variant)) steps.at(-1)?.push(at);
    else steps.push([at]);
    last = variant;
  });
  return steps;
}

function sameStep(previous: JobVariant, next: JobVariant): boolean {
  return previous.mention === next.mention || (previous.job.parallel && next.job.parallel);
}
