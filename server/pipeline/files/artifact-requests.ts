// Turns `artifactPath` and `artifacts` of a job into paths to request from its container.

import { posix } from 'node:path';
import type { Job } from '../language/model.ts';
import { isGlob } from './glob.ts';

export interface ArtifactRequest {
  /** Absolute path in the container, for `StepContainer.get`. */
  readonly path: string;
  /** Where the content of `path` is stored, relative to the job's folder. Empty for the folder itself. */
  readonly storeAs: string;
  /** Only entries that match one of these globs are stored. Absent: everything is stored, and `path` must exist. */
  readonly globs?: readonly ArtifactGlob[];
}

export interface ArtifactGlob {
  readonly written: string;
  /** The part of the glob below `path`. Empty: the glob matches everything. */
  readonly below: string;
}

/** Returns the requests in file order, each path once. Resolves a relative `artifactPath` against `workDir`. */
export function artifactRequests({
  artifactPath,
  artifacts,
  workDir,
}: Pick<Job, 'artifactPath' | 'artifacts' | 'workDir'>): readonly ArtifactRequest[] {
  const whole = artifactPath === undefined ? [] : [wholeTreeRequest(posix.resolve('/', workDir, artifactPath))];
  const byPath = new Map<string, ArtifactRequest & { globs: readonly ArtifactGlob[] }>();
  for (const written of artifacts) {
    const { path, storeAs, below } = splitGlob(written, posix.resolve('/', workDir));
    byPath.set(path, { path, storeAs, globs: [...(byPath.get(path)?.globs ?? []), { written, below }] });
  }
  return [...whole, ...byPath.values()];
}

function wholeTreeRequest(path: string): ArtifactRequest {
  return { path, storeAs: posix.basename(path) };
}

/**
 * Splits a glob at its first wildcard. The part before the wildcard is the path to request. Paths inside `workDir` keep
 * their relative path; other paths keep only their last part.
 */
function splitGlob(
  written: string,
  workDir: string,
): { readonly path: string; readonly storeAs: string; readonly below: string } {
  const parts = written.split('/').filter((part, at) => part !== '.' && (part !== '' || at === 0));
  const firstWildcard = parts.findIndex(isGlob);
  const fixed = firstWildcard === -1 ? parts : parts.slice(0, firstWildcard);
  const below = firstWildcard === -1 ? '' : parts.slice(firstWildcard).join('/');
  const path = posix.resolve(workDir, written.startsWith('/') ? '/' : '', ...fixed);
  const inside = posix.relative(workDir, path);
  return { path, below, storeAs: inside === '..' || inside.startsWith('../') ? posix.basename(path) : inside };
}
