// Packs the build context of an image: the folder of its Dockerfile, without what .dockerignore excludes.

import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import type { Archive } from '../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { combineFilters, readFirstIgnoreFile } from '../../archive/gitignore.ts';
import { packFolder } from '../../archive/pack.ts';
import type { PathFilter } from '../../archive/walk-folder.ts';
import { systemErrorText } from '../../support/system-error.ts';
import { filterByDockerignore } from './dockerignore.ts';
import { filterHidden } from './pack-workspace.ts';
import { toWorkFailed, withWorkFailed } from './to-work-failed.ts';
import type { Workspace } from './workspace.ts';

export interface BuildContext {
  readonly archive: Archive;
  /** Path of the Dockerfile inside the archive. */
  readonly dockerfile: string;
}

/**
 * Returns the build context of `dockerfile`, a path in the workspace. Rejects with WorkFailed if there is no workspace,
 * or if the file is missing or outside the workspace. Reading the archive rejects with WorkFailed for an unreadable
 * file.
 */
export async function buildContext(workspace: Workspace, dockerfile: string): Promise<BuildContext> {
  const failure = `cannot build from "${dockerfile}"`;
  if (workspace.path === undefined)
    throw new WorkFailed(`${failure}: the pipeline has no workspace; start it with a workspace`);
  const file = await resolveDockerfile(workspace.path, dockerfile, failure);
  const root = dirname(file);
  const name = basename(file);
  try {
    const { patterns } = await readFirstIgnoreFile(root, [`${name}.dockerignore`, '.dockerignore']);
    const byIgnoreFile = filterByDockerignore(patterns);
    // Always send the Dockerfile and .dockerignore, because the engine needs them. The engine itself omits them from
    // the image if .dockerignore lists them.
    const filter: PathFilter = (path, isFolder) =>
      path === name || path === '.dockerignore' ? 'include' : byIgnoreFile(path, isFolder);
    const filters = [filter, filterHidden({ path: root, hidden: workspace.hidden })];
    return {
      archive: withWorkFailed(failure, packFolder(root, { filter: combineFilters(filters) })),
      dockerfile: name,
    };
  } catch (error) {
    throw toWorkFailed(failure, error);
  }
}

/** Returns the real path. Follows symbolic links, which must not leave the workspace. */
async function resolveDockerfile(root: string, dockerfile: string, failure: string): Promise<string> {
  const path = resolve(root, dockerfile);
  if (!isInside(root, path))
    throw new WorkFailed(`${failure}: it is outside the workspace; use a path relative to the workspace`);
  try {
    const folder = await realpath(dirname(path));
    const target = await realpath(path);
    if (!isInside(root, target) || (folder !== root && !isInside(root, folder)))
      throw new WorkFailed(`${failure}: a symbolic link leads out of the workspace`);
    if (!(await stat(target)).isFile()) throw new WorkFailed(`${failure}: it is not a file`);
    return join(folder, basename(path));
  } catch (error) {
    if (error instanceof WorkFailed) throw error;
    throw new WorkFailed(`${failure}: ${systemErrorText(error)}`, { cause: error });
  }
}

function isInside(root: string, path: string): boolean {
  const below = relative(root, path);
  return below !== '' && below !== '..' && !below.startsWith(`..${sep}`);
}
