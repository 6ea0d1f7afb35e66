// Who waits for whom: the steps of the workflow, its groups of parallel jobs, and needs.

import type { Variant } from './spread.ts';

/** Indexes of jobs that have to be over. One list is shared by all who wait for the same. */
export type Wait = readonly number[];

/**
 * For each job what it waits for. A job with `needs` waits for these alone, and for all jobs of that name. The others of a workflow wait for the step before
 * theirs: a step is one job, or a run of consecutive parallel ones. Without a workflow nothing but needs makes a job wait.
 */
export function waitsOf(variants: readonly Variant[], workflow: boolean): readonly (readonly Wait[])[] {
  const named = byName(variants);
  const waits = variants.map(({ job }) => (job.needs ?? []).map(({ name }) => named.get(name) ?? []));
  if (!workflow) return waits;
  let before: Wait | undefined;
  for (const step of stepsOf(variants)) {
    for (const at of step) waits[at] = before === undefined ? [] : [before];
    before = step;
  }
  return waits;
}

function byName(variants: readonly Variant[]): ReadonlyMap<string, Wait> {
  const named = new Map<string, number[]>();
  variants.forEach(({ job: { name } }, at) => {
    const known = named.get(name);
    if (known === undefined) named.set(name, [at]);
    else known.push(at);
  });
  return named;
}

/** Jobs with needs are in none. The combinations of one matrix are in one step, whether they are parallel or not. */
function stepsOf(variants: readonly Variant[]): readonly Wait[] {
  const steps: number[][] = [];
  let last: Variant | undefined;
  variants.forEach((variant, at) => {
    if (variant.job.needs !== undefined) return;
    if (last !== undefined && together(last, variant)) steps.at(-1)?.push(at);
    else steps.push([at]);
    last = variant;
  });
  return steps;
}

function together(one: Variant, next: Variant): boolean {
  return one.mention === next.mention || (one.job.parallel && next.job.parallel);
}
