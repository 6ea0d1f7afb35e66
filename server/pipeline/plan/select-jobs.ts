// Reduces a plan to some of its jobs and everything that they depend on.

import { truncate } from '../../../calls/text/quote.ts';
import { nearest } from '../../../calls/text/suggest.ts';
import type { PipelineDiagnostic } from '../language/diagnostic.ts';
import type { Plan } from './plan.ts';
import type { PlanningResult } from './planner.ts';

/**
 * Returns the plan with the jobs of these names or ids, in any letter case, and all jobs that they depend on. Returns a
 * diagnostic for each name that no job has.
 */
export function selectJobs(plan: Plan, names: readonly string[]): PlanningResult {
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  const isWanted = ({ id, name }: Plan['jobs'][number]): boolean =>
    wanted.has(id.toLowerCase()) || wanted.has(name.toLowerCase());
  const known = new Set(plan.jobs.flatMap(({ id, name }) => [id.toLowerCase(), name.toLowerCase()]));
  const unknown = names.filter((name) => !known.has(name.toLowerCase()));
  if (unknown.length > 0) return { diagnostics: unknown.map((name) => unknownJob(name, plan)) };
  const selected = new Set(plan.jobs.filter(isWanted).map(({ id }) => id));
  // Dependencies come before the jobs that depend on them.
  for (const { id, after } of plan.jobs.toReversed())
    if (selected.has(id)) for (const before of after) selected.add(before);
  return {
    plan: {
      ...plan,
      jobs: plan.jobs.filter(({ id }) => selected.has(id)),
      stages: plan.stages.map((ids) => ids.filter((id) => selected.has(id))).filter((ids) => ids.length > 0),
    },
  };
}

function unknownJob(name: string, { jobs }: Plan): PipelineDiagnostic {
  const meant = nearest(
    name,
    jobs.map((job) => job.name),
  );
  return {
    code: 'MISSING_FIELD',
    severity: 'error',
    line: 0,
    column: 0,
    length: 0,
    message: `the pipeline has no job '${truncate(name)}' that could run`,
    suggestions: meant === undefined ? [] : [`did you mean '${meant}'?`],
  };
}
