// From a checked pipeline to what is to be done in which order. Pure: the same pipeline gives the same plan.

import type { Complaint } from '../language/complaint.ts';
import type { Job, Mention, Pipeline } from '../language/tree.ts';
import { cycleComplaints } from './cycles.ts';
import { waitsOf, type Wait } from './order.ts';
import type { Plan, PlannedJob } from './plan.ts';
import { spread, tooMany, type Mentioned, type Variant } from './spread.ts';
import { stagesOf } from './stages.ts';

export type Planned = { readonly plan: Plan } | { readonly complaints: readonly Complaint[] };

/** The plan of a pipeline; or every reason why there is none: jobs that wait for each other, needs of jobs that do not run, more jobs than there may be. */
export function planPipeline(pipeline: Pipeline): Planned {
  const mentions = mentionsOf(pipeline);
  const complaints = [...tooMany(mentions), ...unknownNeeds(mentions), ...cycleComplaints(mentions.map(({ job }) => job))];
  if (complaints.length > 0) return { complaints };
  const variants = spread(mentions);
  return { plan: { pipeline, ...ordered(variants, waitsOf(variants, pipeline.workflow !== undefined)) } };
}

/** The jobs as often as they are to run, in the order of the workflow or else of the file. */
function mentionsOf({ workflow, jobs }: Pipeline): readonly Mentioned[] {
  if (workflow === undefined) return jobs.map((job) => ({ job, nth: 1 }));
  const byName = new Map(jobs.map((job) => [job.name, job]));
  const counts = new Map<string, number>();
  return workflow.flatMap(({ name }) => {
    const job = byName.get(name);
    // The language has complained of it.
    if (job === undefined) return [];
    const nth = (counts.get(name) ?? 0) + 1;
    counts.set(name, nth);
    return [{ job, nth }];
  });
}

function unknownNeeds(mentions: readonly Mentioned[]): readonly Complaint[] {
  const names = new Set(mentions.map(({ job }) => job.name));
  return mentions.filter(({ nth }) => nth === 1)
    .flatMap(({ job }) => (job.needs ?? []).filter(({ name }) => !names.has(name)).map((need) => unknownNeed(job, need)));
}

function unknownNeed(job: Job, { name, place }: Mention): Complaint {
  return {
    code: 'INVALID_FIELD_VALUE', severity: 'error', job: job.name, field: 'needs', ...place,
    message: `job '${job.name}' needs '${name}', which does not run`, suggestions: [`name '${name}' in the workflow, or take it out of needs`],
  };
}

function ordered(variants: readonly Variant[], waits: readonly (readonly Wait[])[]): Pick<Plan, 'jobs' | 'stages'> {
  const stages = stagesOf(waits);
  const afterOf = idsOnce(variants);
  const jobs: PlannedJob[] = variants.map(({ id, job, matrix }, at) => ({ id, name: job.name, job, matrix, after: afterOf(waits[at] ?? []), stage: stages[at] ?? 0 }));
  // Whatever a job waits for is in an earlier stage, and the sort keeps the order within one.
  jobs.sort((a, b) => a.stage - b.stage);
  const count = jobs.reduce((most, { stage }) => Math.max(most, stage + 1), 0);
  const byStage = Array.from({ length: count }, (): string[] => []);
  for (const { id, stage } of jobs) byStage[stage]?.push(id);
  return { jobs, stages: byStage };
}

/** Ids of all that is waited for, each once. Those who wait for the same share one list: two groups of 500 would have 250 000 entries. */
function idsOnce(variants: readonly Variant[]): (waits: readonly Wait[]) => readonly string[] {
  const known = new WeakMap<Wait, readonly string[]>();
  const idsOf = (wait: Wait): readonly string[] => {
    const ids = known.get(wait) ?? wait.map((at) => variants[at]!.id);
    known.set(wait, ids);
    return ids;
  };
  return (waits) => {
    const [first, ...more] = waits;
    if (first === undefined) return [];
    return more.length === 0 ? idsOf(first) : [...new Set(waits.flatMap(idsOf))];
  };
}
