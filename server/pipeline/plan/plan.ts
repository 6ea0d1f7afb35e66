// What is to be done, in which order: a pipeline with its matrices spread out and its order made a graph. Plain data, the same every time.

import type { Job, Pipeline } from '../language/tree.ts';

export interface Plan {
  readonly pipeline: Pipeline;
  /** In an order in which each stands behind all it waits for. */
  readonly jobs: readonly PlannedJob[];
  /** Ids of the jobs, by the number of jobs that have to end one after the other before them. */
  readonly stages: readonly (readonly string[])[];
}

export interface PlannedJob {
  /** Unique: the name; of a matrix `test (node=20, os=alpine)`; the second time a workflow names a job `build#2`. */
  readonly id: string;
  /** As spelled in the workflow. */
  readonly name: string;
  /** `${name}` of its matrix filled in. */
  readonly job: Job;
  /** The values of this combination; they are in its environment, too. Empty without a matrix. */
  readonly matrix: Readonly<Record<string, string>>;
  /** Ids of the jobs that have to be over before it starts. */
  readonly after: readonly string[];
  /** Index in `stages`. */
  readonly stage: number;
}
