// What the jobs of a run made and is kept with it, for those who read: the list, and one file of it.

import { constants } from 'node:fs';
import { open, realpath, type FileHandle } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { walk, type Found } from '../support/archive/walk.ts';
import { systemCode } from '../support/reason.ts';

/** In the folder of the run. */
export const artifactsName = 'artifacts';

export interface Artifact {
  /** Relative, with slashes: the job first. */
  readonly path: string;
  /** Of a link, those of its own text. */
  readonly bytes: number;
  readonly type: 'file' | 'link';
  /** RFC 3339. */
  readonly modified: string;
}

export interface ArtifactList {
  /** In the order of their paths. */
  readonly artifacts: readonly Artifact[];
  /** There are more. */
  readonly truncated?: true;
}

/** Whoever gets it closes it, or reads a stream of it to its end. */
export interface ArtifactFile {
  readonly file: FileHandle;
  readonly bytes: number;
  readonly modified: Date;
  /** Changes whenever the content may have. */
  readonly version: string;
}

/** At most `max` of them. No folder: there are none. */
export async function listArtifacts(folder: string, max: number): Promise<ArtifactList> {
  const artifacts: Artifact[] = [];
  for await (const { shown, stats } of everythingIn(folder)) {
    const type = stats.isFile() ? 'file' : stats.isSymbolicLink() ? 'link' : undefined;
    if (type === undefined) continue;
    if (artifacts.length === max) return { artifacts: inOrder(artifacts), truncated: true };
    artifacts.push({ path: shown, bytes: stats.size, type, modified: stats.mtime.toISOString() });
  }
  return { artifacts: inOrder(artifacts) };
}

/** Of all of them, as they are listed. */
export async function artifactBytes(folder: string): Promise<number> {
  let bytes = 0;
  for await (const { stats } of everythingIn(folder)) if (!stats.isDirectory()) bytes += stats.size;
  return bytes;
}

/** Undefined where there is no file that is in the folder: not beside it, and not behind a link that leads out of it. */
export async function openArtifact(folder: string, path: string): Promise<ArtifactFile | undefined> {
  if (path.includes('\0') || path.split('/').some((part) => part === '' || part === '.' || part === '..')) return undefined;
  try {
    const root = await realpath(folder);
    const real = await realpath(join(root, path));
    if (!real.startsWith(root + sep)) return undefined;
    // Neither a link that has just taken its place, nor a pipe that nobody writes to.
    return await opened(await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK));
  } catch (error) {
    if (absent.has(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}

const absent: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENXIO', 'EISDIR']);

async function opened(file: FileHandle): Promise<ArtifactFile | undefined> {
  const stats = await file.stat({ bigint: true });
  if (!stats.isFile()) {
    await file.close();
    return undefined;
  }
  return { file, bytes: Number(stats.size), modified: stats.mtime, version: [stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join('-') };
}

async function* everythingIn(folder: string): AsyncGenerator<Found> {
  try {
    yield* walk(folder, () => 'take');
  } catch (error) {
    if (systemCode((error as Error).cause) !== 'ENOENT') throw error;
  }
}

function inOrder(artifacts: readonly Artifact[]): readonly Artifact[] {
  return [...artifacts].sort((a, b) => (a.path < b.path ? -1 : 1));
}
