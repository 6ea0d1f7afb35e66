// The artifacts of a run: what its jobs made and is kept, in a folder for each job.

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Archive } from '../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { formatSize } from '../../../calls/contract/units.ts';
import type { Limits } from '../../../protocol/limits.ts';
import { Budget } from '../../support/archive/budget.ts';
import { Tree } from '../../support/archive/tree.ts';
import type { ArtifactWish } from './artifact-wishes.ts';
import { failedAt } from './failure.ts';
import { Selection } from './selection.ts';

export interface Kept {
  /** Files and links. */
  readonly files: number;
  readonly bytes: number;
  /** Globs that nothing matched, as they were written. */
  readonly unmatched: readonly string[];
}

/** All artifacts of one run. */
export interface Artifacts {
  /**
   * Keeps what `StepContainer.get(wish.path)` gave for the job with this id (of the plan). Of one job one after the other. Throws WorkFailed, and keeps nothing of
   * this job any more, when there is nothing and it has to be there (`artifact not found: <path>`), a name or link leads out of the tree, or the bound of the run is reached.
   */
  keep(job: string, wish: ArtifactWish, archive: Archive | undefined): Promise<Kept>;
  /** Where artifacts of this job are, if it has any. */
  folderOf(job: string): string;
}

/** `folder` is made when there is something to keep. */
export function createArtifacts(folder: string, limits: Pick<Limits, 'artifactBytesMax' | 'artifactFilesMax'>): Artifacts {
  const budget = new Budget({ bytesMax: limits.artifactBytesMax, entriesMax: limits.artifactFilesMax, tooMuch: (of) => tooMuch(of, limits) });
  const names = new Names();
  const trees = new Map<string, Tree>();
  const folderOf = (job: string): string => join(folder, names.of(job));

  const treeOf = async (job: string): Promise<Tree> => {
    const known = trees.get(job);
    if (known !== undefined) return known;
    await mkdir(folderOf(job), { recursive: true });
    const tree = new Tree(folderOf(job), budget);
    trees.set(job, tree);
    return tree;
  };
  const forget = async (job: string): Promise<void> => {
    trees.get(job)?.giveBack();
    trees.delete(job);
    await rm(folderOf(job), { recursive: true, force: true });
  };

  return {
    folderOf,
    async keep(job, wish, archive) {
      try {
        if (archive === undefined && wish.globs === undefined) throw new WorkFailed(`artifact not found: ${wish.path}`);
        const selection = new Selection(wish);
        if (archive === undefined) return { files: 0, bytes: 0, unmatched: selection.unmatched };
        const tree = await treeOf(job);
        const before = tree.tally;
        await tree.unpack(archive, selection.filling);
        return { files: tree.tally.files - before.files, bytes: tree.tally.bytes - before.bytes, unmatched: selection.unmatched };
      } catch (error) {
        // It may not have been looked at, and then it is still open.
        await archive?.[Symbol.asyncIterator]().return?.();
        await forget(job);
        throw failedAt(`cannot keep the artifact ${wish.path}`, error);
      }
    },
  };
}

function tooMuch(of: 'bytes' | 'entries', limits: Pick<Limits, 'artifactBytesMax' | 'artifactFilesMax'>): string {
  return of === 'bytes'
    ? `the artifacts of the run are more than ${formatSize(limits.artifactBytesMax)} (limit artifactBytesMax)`
    : `the artifacts of the run are more than ${limits.artifactFilesMax} files, folders and links (limit artifactFilesMax)`;
}

/** Names of folders for ids of jobs, which may hold anything. */
class Names {
  readonly #names = new Map<string, string>();
  readonly #taken = new Set<string>();

  of(job: string): string {
    const known = this.#names.get(job);
    if (known !== undefined) return known;
    const safe = job.replace(/[^A-Za-z0-9_.-]+/g, '_').replace(/^[.-]+/, '_').replace(/_+$/, '').slice(0, 100) || 'job';
    let name = safe;
    for (let count = 2; this.#taken.has(name.toLowerCase()); count++) name = `${safe}-${count}`;
    this.#taken.add(name.toLowerCase());
    this.#names.set(job, name);
    return name;
  }
}
