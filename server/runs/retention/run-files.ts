// Removes the files of ended runs. Moves them to a trash folder first, so that another run can use the name at once.

import { renameSync } from 'node:fs';
import { opendir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { makeFolder } from '../../support/make-folder.ts';
import { removeTree } from '../../support/remove-tree.ts';
import { newId } from '../id.ts';
import { dropSegments, listSegments } from '../log/storage/segment-folder.ts';
import { artifactBytes, artifactsName } from '../views/artifacts.ts';

/** No run can have this name. */
export const trashFolder = '.trash';

/** Number of folders that are checked before yielding to the event loop. */
const batchSize = 200;

export class RunFiles {
  readonly #folder: string;
  readonly #trash: string;

  /** `folder` contains one folder per run. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#trash = join(folder, trashFolder);
  }

  /** Completes the removals of an earlier gateway process. Works on a full disk. */
  async open(): Promise<void> {
    await this.#emptyTrash();
    // A full disk may have no space for the trash folder. Then the files of runs are removed without the move.
    try {
      makeFolder(this.#trash, 0o750);
    } catch (error) {
      if (!isSpaceError(error)) throw error;
    }
  }

  /** Returns the size of the log and the artifacts of a run; 0 if it has none. */
  async measure(run: string): Promise<number> {
    const folder = join(this.#folder, run);
    const segments = await listSegments(folder);
    return segments.reduce((sum, { bytes }) => sum + bytes, 0) + (await artifactBytes(join(folder, artifactsName)));
  }

  /** Removes the files of these runs. Idempotent. */
  async remove(runs: readonly string[]): Promise<void> {
    for (const run of runs) if (!this.#moveToTrash(run)) await removeTree(join(this.#folder, run));
    await this.#emptyTrash();
  }

  /**
   * Removes the oldest segments of an ended run until `bytes` are freed, but never the last one. Returns the number of
   * freed bytes.
   */
  async shorten(run: string, bytes: number): Promise<number> {
    const folder = join(this.#folder, run);
    let below = -1;
    let found = 0;
    for (const segment of (await listSegments(folder)).slice(0, -1)) {
      if (found >= bytes) break;
      found += segment.bytes;
      below = segment.number + 1;
    }
    return below < 0 ? 0 : dropSegments(folder, below);
  }

  /** Returns the names of the folders that `isKnown` does not know, in batches. */
  async *unknown(isKnown: (run: string) => boolean): AsyncGenerator<readonly string[]> {
    let names: string[] = [];
    for await (const { name } of await opendir(this.#folder)) {
      if (name !== trashFolder) names.push(name);
      if (names.length < batchSize) continue;
      yield names.filter((run) => !isKnown(run));
      names = [];
      await nextTurn();
    }
    yield names.filter((run) => !isKnown(run));
  }

  /** Returns false if the folder of the run could not be moved: it does not exist, or the disk is full. */
  #moveToTrash(run: string): boolean {
    try {
      renameSync(join(this.#folder, run), join(this.#trash, newId()));
      return true;
    } catch (error) {
      // Either the run or the trash is missing; removing a missing folder has no effect.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      if (isSpaceError(error)) return false;
      throw error;
    }
  }

  /** Removes one folder at a time, asynchronously, because large files take long. */
  async #emptyTrash(): Promise<void> {
    const names = await readdir(this.#trash).catch(() => []);
    for (const name of names) await removeTree(join(this.#trash, name));
  }
}

function isSpaceError(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
}
