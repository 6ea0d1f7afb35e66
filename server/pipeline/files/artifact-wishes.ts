// What is to be taken out of the container of a job: `artifactPath` and `artifacts`, as paths to ask the engine for.

import type { Job } from '../language/tree.ts';

export interface ArtifactWish {
  /** Absolute, in the container: what `StepContainer.get` is to be asked for. */
  readonly path: string;
  /** Where it is kept, below the job's folder; `` for the folder itself. */
  readonly as: string;
  /** Of what is there only this is kept: globs relative to `path`. Absent: all of it, and it has to be there. */
  readonly globs?: readonly string[];
}

/** In the order of the file; each path once. */
export function artifactWishes(job: Pick<Job, 'artifactPath' | 'artifacts' | 'workDir'>): readonly ArtifactWish[] {
  throw new Error(`to be written: ${job.workDir}`);
}
