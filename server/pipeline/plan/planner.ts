// Turns a checked pipeline into a plan. Pure: equal pipelines have equal plans.

import type { PipelineDiagnostic } from '../language/diagnostic.ts';
import type { Job, JobRef, Pipeline } from '../language/model.ts';
import { cycleDiagnostics } from './cycles.ts';
import { computeDependencies, type DependencySet } from './dependencies.ts';
import { checkJobCount, expandMatrix, type JobMention, type JobVariant } from './expand-matrix.ts';
import type { Plan, PlannedJob } from './plan.ts';
import { computeStages } from './stages.ts';

export type PlanningResult = { readonly plan: Plan } | { readonly diagnostics: readonly PipelineDiagnostic[] };

/** Returns the plan, or all reasons against it: a cycle, too many jobs, or a job in `needs` that does not run. */
export function planPipeline(pipeline: Pipeline): PlanningResult {
  const mentions = jobMentions(pipeline);
  const diagnostics = [
    ...checkJobCount(mentions),
    ...unknownNeeds(mentions),
    ...cycleDiagnostics(mentions.map(({ job }) => job)),
  ];
  if (diagnostics.length > 0) return { diagnostics };
  const variants = expandMatrix(mentions);
  return { plan: { pipeline, ...orderJobs(variants, computeDependencies(variants, pipeline.workflow !== undefined)) } };
}

/**
 * Returns one entry per mention in the workflow, in order. Without a workflow, returns each job once, in file order.
 */
function jobMentions({ workflow, jobs }: Pipeline): readonly JobMention[] {
  if (workflow === undefined) return jobs.map((job) => ({ job, occurrence: 1 }));
  const byName = new Map(jobs.map((job) => [job.name, job]));
  const counts = new Map<string, number>();
  return workflow.flatMap(({ name }) => {
    const job = byName.get(name);
    // The language check has already reported that the job is missing.
    if (job === undefined) return [];
    const occurrence = (counts.get(name) ?? 0) + 1;
    counts.set(name, occurrence);
    return [{ job, occurrence }];
  });
}

function unknownNeeds(mentions: readonly JobMention[]): readonly PipelineDiagnostic[] {
  const names = new Set(mentions.map(({ job }) => job.name));
  return mentions
    .filter(({ occurrence }) => occurrence === 1)
    .flatMap(({ job }) =>
      (job.needs ?? []).filter(({ name }) => !names.has(name)).map((need) => unknownNeed(job, need)),
    );
}

function unknownNeed(job: Job, { name, location }: JobRef): PipelineDiagnostic {
  return {
    code: 'INVALID_FIELD_VALUE',
    severity: 'error',
    job: job.name,
    field: 'needs',
    ...location,
    message: `job '${job.name}' needs '${name}', which does not run`,
    suggestions: [`add '${name}' to the workflow, or remove it from needs`],
  };
}

function orderJobs(
  variants: readonly JobVariant[],
  dependencies: readonly (readonly DependencySet[])[],
): Pick<Plan, 'jobs' | 'stages'> {
  const stages = computeStages(dependencies);
  const idsFor = sharedIdLists(variants);
  const jobs: PlannedJob[] = variants.map(({ id, job, matrix }, at) => ({
    id,
    name: job.name,
    job,
    matrix,
    after: idsFor(dependencies[at] ?? []),
    stage: stages[at] ?? 0,
  }));
  // The dependencies of a job are always in an earlier stage. Sorting keeps the order within a stage.
  jobs.sort((a, b) => a.stage - b.stage);
  const count = jobs.reduce((most, { stage }) => Math.max(most, stage + 1), 0);
  const byStage = Array.from({ length: count }, (): string[] => []);
  for (const { id, stage } of jobs) byStage[stage]?.push(id);
  return { jobs, stages: byStage };
}

/**
 * Returns a function that lists the ids of all dependencies, each once. Jobs with the same dependencies share one list;
 * otherwise two groups of 500 jobs would need 250 000 entries.
 */
function sharedIdLists(variants: readonly JobVariant[]): (dependencies: readonly DependencySet[]) => readonly string[] {
  const known = new WeakMap<DependencySet, readonly string[]>();
  const idsOf = (dependencySet: DependencySet): readonly string[] => {
    const ids = known.get(dependencySet) ?? dependencySet.map((at) => variants[at]!.id);
    known.set(dependencySet, ids);
    return ids;
  };
  return (dependencies) => {
    const [first, ...more] = dependencies;
    if (first === undefined) return [];
    return more.length === 0 ? idsOf(first) : [...new Set(dependencies.flatMap(idsOf))];
  };
}
