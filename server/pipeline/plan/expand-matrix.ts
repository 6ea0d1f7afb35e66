// Expands matrices: one planned job per combination of values, each with its own id.

import type { PipelineDiagnostic } from '../language/diagnostic.ts';
import { jobsMax } from '../language/limits.ts';
import { isExcluded, listCombinations } from '../language/matrix.ts';
import type { Job } from '../language/model.ts';
import { interpolateJob } from './interpolate.ts';

/** One mention of a job in the workflow. `occurrence` counts the mentions of that job, from 1. */
export interface JobMention {
  readonly job: Job;
  readonly occurrence: number;
}

/** One job of the plan, before the jobs are ordered. */
export interface JobVariant {
  readonly id: string;
  readonly mention: JobMention;
  /** The job, with its matrix values filled in (`interpolateJob`). */
  readonly job: Job;
  readonly matrix: Readonly<Record<string, string>>;
}

/**
 * Returns a diagnostic if the combinations of all jobs exceed `jobsMax`. Multiplies the sizes without expanding,
 * because ten axes of ten values would be ten billion jobs.
 */
export function checkJobCount(mentions: readonly JobMention[]): readonly PipelineDiagnostic[] {
  const sizes = mentions.map(({ job }) => combinationCount(job));
  const all = sizes.reduce((sum, size) => sum + size, 0);
  if (all <= jobsMax) return [];
  const largest = mentions[sizes.indexOf(Math.max(...sizes))]!.job;
  return [
    {
      code: 'INVALID_FIELD_VALUE',
      severity: 'error',
      job: largest.name,
      ...(largest.matrix.length > 0 && { field: 'matrix' }),
      ...largest.location,
      message: `the pipeline expands to ${all} jobs; at most ${jobsMax} are allowed`,
      suggestions: [
        largest.matrix.length > 0 ? 'remove values from the matrix' : 'split the file into several pipelines',
      ],
    },
  ];
}

export function expandMatrix(mentions: readonly JobMention[]): readonly JobVariant[] {
  const used = new Set<string>();
  return mentions.flatMap((mention) =>
    combinations(mention.job).map((matrix): JobVariant => {
      const { job, occurrence } = mention;
      const id = uniqueId(`${occurrence === 1 ? job.name : `${job.name}#${occurrence}`}${matrixSuffix(matrix)}`, used);
      return { id, mention, job: interpolateJob(job, matrix), matrix };
    }),
  );
}

/**
 * Returns the number of combinations. Does not expand a matrix that is larger than any plan, and then counts the
 * excluded combinations as well.
 */
function combinationCount(job: Job): number {
  const size = job.matrix.reduce((product, { values }) => product * values.length, 1);
  return size > jobsMax ? size : combinations(job).length;
}

function combinations({ matrix, matrixExclude = [] }: Job): readonly Readonly<Record<string, string>>[] {
  return listCombinations(matrix).filter((combination) => !isExcluded(combination, matrixExclude));
}

/** Returns the values for an id, such as ` (node=20, os=alpine)`. */
function matrixSuffix(matrix: Readonly<Record<string, string>>): string {
  const values = Object.entries(matrix).map(([name, value]) => `${name}=${value}`);
  return values.length === 0 ? '' : ` (${values.join(', ')})`;
}

/** Limits the length of ids, because each event of a job and each `stream` event contains an id. */
const idCharsMax = 200;

/**
 * Returns a unique id, because two names can give the same id: a job may be named `build#2` while the workflow mentions
 * `build` twice. Long names may differ only at the end, which is cut.
 */
function uniqueId(name: string, used: Set<string>): string {
  const cut = name.slice(0, idCharsMax - 1).replace(/[\uD800-\uDBFF]$/, '');
  const short = name.length <= idCharsMax ? name : `${cut}…`;
  let id = short;
  for (let n = 2; used.has(id); n += 1) id = `${short}#${n}`;
  used.add(id);
  return id;
}
