// Lists and opens the artifacts that the jobs of a run have left in its folder.

import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { type FolderEntry, walkFolder } from '../../archive/walk-folder.ts';
import { systemCode } from '../../support/system-error.ts';

/** Name of the artifacts folder inside the folder of a run. */
export const artifactsName = 'artifacts';

export interface Artifact {
  /** Relative path with slashes. Its first part is the job. */
  readonly path: string;
  /** For a link, the length of its target path. */
  readonly bytes: number;
  readonly type: 'file' | 'link';
  /** Time of the last change (RFC 3339). */
  readonly modified: string;
}

export interface ArtifactList {
  /** Sorted by path. */
  readonly artifacts: readonly Artifact[];
  /** True if there are more artifacts than `max`. */
  readonly truncated?: true;
}

/** An open artifact. The caller must close `file`, or read a stream of it to the end. */
export interface ArtifactFile {
  readonly file: FileHandle;
  readonly bytes: number;
  readonly modified: Date;
  /** Changes whenever the content may have changed. */
  readonly version: string;
}

/** Returns at most `max` artifacts; none if the folder does not exist. */
export async function listArtifacts(folder: string, max: number): Promise<ArtifactList> {
  const artifacts: Artifact[] = [];
  for await (const { shown, stats } of walkIfPresent(folder)) {
    const type = stats.isFile() ? 'file' : stats.isSymbolicLink() ? 'link' : undefined;
    if (type === undefined) continue;
    if (artifacts.length === max) return { artifacts: sortByPath(artifacts), truncated: true };
    artifacts.push({ path: shown, bytes: stats.size, type, modified: stats.mtime.toISOString() });
  }
  return { artifacts: sortByPath(artifacts) };
}

/** Returns the total size of all artifacts. */
export async function artifactBytes(folder: string): Promise<number> {
  let bytes = 0;
  for await (const { stats } of walkIfPresent(folder)) if (!stats.isDirectory()) bytes += stats.size;
  return bytes;
}

/** Returns undefined if there is no such file inside the folder. A link must not lead out of the folder. */
export async function openArtifact(folder: string, path: string): Promise<ArtifactFile | undefined> {
  if (path.includes('\0') || path.split('/').some((part) => part === '' || part === '.' || part === '..'))
    return undefined;
  try {
    const root = await realpath(folder);
    const real = await realpath(join(root, path));
    if (!real.startsWith(root + sep)) return undefined;
    // Do not follow a link that has just replaced the file, and do not block on a pipe without a writer.
    return await describeFile(await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK));
  } catch (error) {
    if (notFoundCodes.has(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}

const notFoundCodes: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENXIO', 'EISDIR']);

async function describeFile(file: FileHandle): Promise<ArtifactFile | undefined> {
  const stats = await file.stat({ bigint: true });
  if (!stats.isFile()) {
    await file.close();
    return undefined;
  }
  return {
    file,
    bytes: Number(stats.size),
    modified: stats.mtime,
    version: [stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join('-'),
  };
}

async function* walkIfPresent(folder: string): AsyncGenerator<FolderEntry> {
  try {
    yield* walkFolder(folder, () => 'include');
  } catch (error) {
    if (systemCode((error as Error).cause) !== 'ENOENT') throw error;
  }
}

function sortByPath(artifacts: readonly Artifact[]): readonly Artifact[] {
  return [...artifacts].sort((a, b) => (a.path < b.path ? -1 : 1));
}
