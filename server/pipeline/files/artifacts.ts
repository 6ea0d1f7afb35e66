// The artifacts of a run: what its jobs made and is kept, in a folder for each job.

import type { Archive } from '../../../calls/contract/containers.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { ArtifactWish } from './artifact-wishes.ts';

export interface Kept {
  readonly files: number;
  readonly bytes: number;
  /** Globs that nothing matched. */
  readonly unmatched: readonly string[];
}

/** All artifacts of one run. */
export interface Artifacts {
  /**
   * Keeps what `StepContainer.get(wish.path)` gave for the job with this id (of the plan). Throws WorkFailed, and keeps nothing of this job, when there is
   * nothing and no glob (`artifact not found: <path>`), a name or link leads out of the tree, or the bound of the run is reached.
   */
  keep(job: string, wish: ArtifactWish, archive: Archive | undefined): Promise<Kept>;
  /** Where artifacts of this job are, if it has any. */
  folderOf(job: string): string;
}

/** `folder` is made when there is something to keep. */
export function createArtifacts(folder: string, bounds: Pick<Limits, 'artifactBytesMax'>): Artifacts {
  throw new Error(`to be written: ${folder} ${bounds.artifactBytesMax}`);
}
