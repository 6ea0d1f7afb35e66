// What is to be taken out of the container of a job: `artifactPath` and `artifacts`, as paths to ask the engine for.

import { posix } from 'node:path';
import type { Job } from '../language/tree.ts';
import { isGlob } from './glob.ts';

export interface ArtifactWish {
  /** Absolute, in the container: what `StepContainer.get` is to be asked for. */
  readonly path: string;
  /** Where what is at `path` is kept, below the job's folder; `` for the folder itself. */
  readonly as: string;
  /** Of what is there only this is kept. Absent: all of it, and it has to be there. */
  readonly globs?: readonly ArtifactGlob[];
}

export interface ArtifactGlob {
  readonly written: string;
  /** The part of it below `path`; `` fits all that is there. */
  readonly below: string;
}

/** In the order of the file; each path once. `artifactPath` may be relative to `workDir`, too. */
export function artifactWishes({ artifactPath, artifacts, workDir }: Pick<Job, 'artifactPath' | 'artifacts' | 'workDir'>): readonly ArtifactWish[] {
  const whole = artifactPath === undefined ? [] : [wholeAt(posix.resolve('/', workDir, artifactPath))];
  const places = new Map<string, ArtifactWish & { globs: readonly ArtifactGlob[] }>();
  for (const written of artifacts) {
    const { path, as, below } = placeOf(written, posix.resolve('/', workDir));
    places.set(path, { path, as, globs: [...places.get(path)?.globs ?? [], { written, below }] });
  }
  return [...whole, ...places.values()];
}

function wholeAt(path: string): ArtifactWish {
  return { path, as: posix.basename(path) };
}

/** The folders before the first wildcard are asked for; what is in `workDir` is kept by its path there, what is elsewhere by the last part of its path. */
function placeOf(written: string, workDir: string): { readonly path: string; readonly as: string; readonly below: string } {
  const parts = written.split('/').filter((part, at) => part !== '.' && (part !== '' || at === 0));
  const wild = parts.findIndex(isGlob);
  const fixed = wild === -1 ? parts : parts.slice(0, wild);
  const below = wild === -1 ? '' : parts.slice(wild).join('/');
  const path = posix.resolve(workDir, written.startsWith('/') ? '/' : '', ...fixed);
  const inside = posix.relative(workDir, path);
  return { path, below, as: inside === '..' || inside.startsWith('../') ? posix.basename(path) : inside };
}
