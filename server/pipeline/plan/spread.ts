// Matrices spread out: a job becomes one planned job for each combination of its values, and each gets an id of its own.

import { jobsMax } from '../language/bounds.ts';
import type { Complaint } from '../language/complaint.ts';
import type { Axis, Job } from '../language/tree.ts';
import { fillJob } from './fill.ts';

/** A job where it is to run. `nth`: how often the workflow has named it so far. */
export interface Mentioned {
  readonly job: Job;
  readonly nth: number;
}

/** One job of the plan before its place in the order is known. */
export interface Variant {
  readonly id: string;
  readonly mention: Mentioned;
  /** `${name}` of its matrix filled in. */
  readonly job: Job;
  readonly matrix: Readonly<Record<string, string>>;
}

/** A complaint when the jobs with all their combinations are more than `jobsMax`. Counted, not made: ten axes of ten values are ten thousand million. */
export function tooMany(mentions: readonly Mentioned[]): readonly Complaint[] {
  const sizes = mentions.map(({ job }) => sizeOf(job));
  const all = sizes.reduce((sum, size) => sum + size, 0);
  if (all <= jobsMax) return [];
  const largest = mentions[sizes.indexOf(Math.max(...sizes))]!.job;
  return [{
    code: 'INVALID_FIELD_VALUE', severity: 'error', job: largest.name, ...(largest.matrix.length > 0 && { field: 'matrix' }), ...largest.place,
    message: `the pipeline comes to ${all} jobs; ${jobsMax} is the most there may be`,
    suggestions: [largest.matrix.length > 0 ? 'take values out of the matrix' : 'make several pipelines of it'],
  }];
}

export function spread(mentions: readonly Mentioned[]): readonly Variant[] {
  const taken = new Set<string>();
  return mentions.flatMap((mention) => combinations(mention.job.matrix).map((matrix): Variant => {
    const { job, nth } = mention;
    const id = unique(`${nth === 1 ? job.name : `${job.name}#${nth}`}${inWords(matrix)}`, taken);
    return { id, mention, job: fillJob(job, matrix), matrix };
  }));
}

function sizeOf({ matrix }: Job): number {
  return matrix.reduce((size, { values }) => size * values.length, 1);
}

/** The first axis changes slowest. One empty combination where there is no axis. */
function combinations(axes: readonly Axis[]): readonly Readonly<Record<string, string>>[] {
  return axes.reduce<Readonly<Record<string, string>>[]>(
    (made, { name, values }) => made.flatMap((one) => values.map((value) => ({ ...one, [name]: value }))), [{}]);
}

/** ` (node=20, os=alpine)` */
function inWords(matrix: Readonly<Record<string, string>>): string {
  const values = Object.entries(matrix).map(([name, value]) => `${name}=${value}`);
  return values.length === 0 ? '' : ` (${values.join(', ')})`;
}

/** Ids are in every event of a job, and in what says whose its lines are. */
const idCharsMax = 200;

/** A job may be called `build#2` while another one, `build`, is named twice; and long ones may differ at their ends alone. */
function unique(wanted: string, taken: Set<string>): string {
  const short = wanted.length <= idCharsMax ? wanted : `${wanted.slice(0, idCharsMax - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
  let id = short;
  for (let n = 2; taken.has(id); n += 1) id = `${short}#${n}`;
  taken.add(id);
  return id;
}
