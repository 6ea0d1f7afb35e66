// Types of a plan: a pipeline with expanded matrices and ordered jobs. Plain data, deterministic.

import type { Job, Pipeline } from '../language/model.ts';

export interface Plan {
  readonly pipeline: Pipeline;
  /** Sorted so that each job comes after its dependencies. */
  readonly jobs: readonly PlannedJob[];
  /** Job ids, grouped by the length of the longest dependency chain before each job. */
  readonly stages: readonly (readonly string[])[];
}

export interface PlannedJob {
  /**
   * Unique. Usually the name. A matrix adds its values: `test (node=20, os=alpine)`. A second mention in the workflow
   * adds a number: `build#2`.
   */
  readonly id: string;
  /** Same as `Job.name`. */
  readonly name: string;
  /** The job, with its matrix values filled in (`interpolateJob`). */
  readonly job: Job;
  /** Matrix values of this job, also set in its environment. Empty without a matrix. */
  readonly matrix: Readonly<Record<string, string>>;
  /** Ids of the jobs that must end before this job starts. */
  readonly after: readonly string[];
  /** Index in `stages`. */
  readonly stage: number;
}
