// Stores the artifacts of a run in one folder per job.

import { join } from 'node:path';
import type { Archive } from '../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { formatSize } from '../../../calls/text/units.ts';
import type { Limits } from '../../../protocol/limits.ts';
import { ArchiveExtractor } from '../../archive/extract.ts';
import { Quota } from '../../archive/quota.ts';
import { makeFolder } from '../../support/make-folder.ts';
import { removeTree } from '../../support/remove-tree.ts';
import { ArtifactFilter, type SkippedArtifact } from './artifact-filter.ts';
import type { ArtifactRequest } from './artifact-requests.ts';
import { toWorkFailed } from './to-work-failed.ts';

export interface StoredArtifacts {
  /** Number of files and links. */
  readonly files: number;
  readonly bytes: number;
  /** Globs without a match, as written in the file. */
  readonly unmatched: readonly string[];
  /** Devices, pipes and files whose names are not UTF-8: they match, but cannot be stored. */
  readonly skipped: readonly SkippedArtifact[];
}

/** The artifacts of one run. */
export interface Artifacts {
  /**
   * Stores what `StepContainer.get(request.path)` returned for the job with this plan id. Calls for one job must not
   * overlap.
   *
   * Rejects with WorkFailed and removes all artifacts of the job in these cases: a required path is missing (`artifact
   * not found: <path>`), a name or link escapes the tree, or a limit of the run is exceeded.
   */
  store(job: string, request: ArtifactRequest, archive: Archive | undefined): Promise<StoredArtifacts>;
  /** Folder of the job's artifacts. It exists only if the job has any. */
  folderFor(job: string): string;
}

type ArtifactLimits = Pick<Limits, 'artifactBytesMax' | 'artifactFilesMax'>;

/** Creates `folder` when the first artifact is stored. */
export function createArtifacts(folder: string, limits: ArtifactLimits): Artifacts {
  const extractors = new JobExtractors(folder, limits);
  return {
    folderFor: (job) => extractors.folderFor(job),
    async store(job, request, archive) {
      try {
        if (archive === undefined && request.globs === undefined)
          throw new WorkFailed(`artifact not found: ${request.path}`);
        const filter = new ArtifactFilter(request);
        const stored = archive === undefined ? { files: 0, bytes: 0 } : await extractors.extract(job, archive, filter);
        return { ...stored, unmatched: filter.unmatched, skipped: filter.skipped };
      } catch (error) {
        // Close the archive, because an archive that was never read stays open.
        await archive?.[Symbol.asyncIterator]().return?.();
        await extractors.remove(job);
        throw toWorkFailed(`cannot store the artifact ${request.path}`, error);
      }
    },
  };
}

/** One archive extractor per job. All extractors share one quota. */
class JobExtractors {
  readonly #folder: string;
  readonly #quota: Quota;
  readonly #names = new FolderNames();
  readonly #extractors = new Map<string, ArchiveExtractor>();

  constructor(folder: string, limits: ArtifactLimits) {
    this.#folder = folder;
    this.#quota = new Quota({
      bytesMax: limits.artifactBytesMax,
      entriesMax: limits.artifactFilesMax,
      quotaMessage: (of) => quotaMessage(of, limits),
    });
  }

  folderFor(job: string): string {
    return join(this.#folder, this.#names.nameFor(job));
  }

  /** Returns how many files and bytes were added. */
  async extract(
    job: string,
    archive: Archive,
    filter: ArtifactFilter,
  ): Promise<Pick<StoredArtifacts, 'files' | 'bytes'>> {
    const extractor = await this.#extractorFor(job);
    const before = extractor.stats;
    await extractor.extract(archive, filter.extractOptions);
    return { files: extractor.stats.files - before.files, bytes: extractor.stats.bytes - before.bytes };
  }

  /** Removes all artifacts of the job. */
  async remove(job: string): Promise<void> {
    this.#extractors.get(job)?.releaseQuota();
    this.#extractors.delete(job);
    await removeTree(this.folderFor(job));
  }

  async #extractorFor(job: string): Promise<ArchiveExtractor> {
    const known = this.#extractors.get(job);
    if (known !== undefined) return known;
    makeFolder(this.folderFor(job));
    const extractor = new ArchiveExtractor(this.folderFor(job), this.#quota);
    this.#extractors.set(job, extractor);
    return extractor;
  }
}

function quotaMessage(of: 'bytes' | 'entries', limits: ArtifactLimits): string {
  return of === 'bytes'
    ? `the artifacts of the run exceed ${formatSize(limits.artifactBytesMax)} (limit artifactBytesMax)`
    : `the artifacts of the run exceed ${limits.artifactFilesMax} files, folders and links (limit artifactFilesMax)`;
}

/** Maps job ids, which may contain any character, to unique folder names. */
class FolderNames {
  readonly #names = new Map<string, string>();
  readonly #taken = new Set<string>();

  nameFor(job: string): string {
    const known = this.#names.get(job);
    if (known !== undefined) return known;
    const safe =
      job
        .replace(/[^A-Za-z0-9_.-]+/g, '_')
        .replace(/^[.-]+/, '_')
        .replace(/_+$/, '')
        .slice(0, 100) || 'job';
    let name = safe;
    for (let count = 2; this.#taken.has(name.toLowerCase()); count++) name = `${safe}-${count}`;
    this.#taken.add(name.toLowerCase());
    this.#names.set(job, name);
    return name;
  }
}
