// What an image is built from: the folder of its Dockerfile, without what .dockerignore says.

import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import type { Archive } from '../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { firstIgnoreFile, judgeByAll } from '../../support/archive/gitignore.ts';
import { packFolder } from '../../support/archive/pack.ts';
import type { Judge } from '../../support/archive/walk.ts';
import { systemReason } from '../../support/reason.ts';
import { judgeHidden } from './copy.ts';
import { judgeByDockerignore } from './dockerignore.ts';
import { failedAt, failingAs } from './failure.ts';
import type { Workspace } from './workspace.ts';

export interface BuildContext {
  readonly archive: Archive;
  /** Path of the Dockerfile in the archive, for `BuildWish.dockerfile`. */
  readonly dockerfile: string;
}

/** `dockerfile` is a path in the workspace. Throws WorkFailed when there is no such file, or it is not inside. The archive as that of `packWorkspace`. */
export async function buildContext(workspace: Workspace, dockerfile: string): Promise<BuildContext> {
  const what = `cannot build from "${dockerfile}"`;
  if (workspace.path === undefined) throw new WorkFailed(`${what}: the pipeline was given no files`);
  const file = await insideOf(workspace.path, dockerfile, what);
  const root = dirname(file);
  const name = basename(file);
  try {
    const { patterns } = await firstIgnoreFile(root, [`${name}.dockerignore`, '.dockerignore']);
    const said = judgeByDockerignore(patterns);
    // The engine needs both, and leaves them out of the image itself where the one says so of the other.
    const judge: Judge = (path, isFolder) => (path === name || path === '.dockerignore' ? 'take' : said(path, isFolder));
    const judges = [judge, judgeHidden({ path: root, hidden: workspace.hidden })];
    return { archive: failingAs(what, packFolder(root, { judge: judgeByAll(judges) })), dockerfile: name };
  } catch (error) {
    throw failedAt(what, error);
  }
}

/** Where it really is; links may lead to it, but not out. */
async function insideOf(root: string, dockerfile: string, what: string): Promise<string> {
  const path = resolve(root, dockerfile);
  if (!isInside(root, path)) throw new WorkFailed(`${what}: it is outside of the files of the pipeline; name it relative to them`);
  try {
    const folder = await realpath(dirname(path));
    const target = await realpath(path);
    if (!isInside(root, target) || (folder !== root && !isInside(root, folder))) throw new WorkFailed(`${what}: a link leads from it out of the files of the pipeline`);
    if (!(await stat(target)).isFile()) throw new WorkFailed(`${what}: it is not a file`);
    return join(folder, basename(path));
  } catch (error) {
    if (error instanceof WorkFailed) throw error;
    throw new WorkFailed(`${what}: ${systemReason(error)}`, { cause: error });
  }
}

function isInside(root: string, path: string): boolean {
  const below = relative(root, path);
  return below !== '' && below !== '..' && !below.startsWith(`..${sep}`);
}
