// What an image is built from: the folder of its Dockerfile, without what .dockerignore says.

import type { Archive } from '../../../calls/contract/containers.ts';
import type { Workspace } from './workspace.ts';

export interface BuildContext {
  readonly archive: Archive;
  /** Path of the Dockerfile in the archive, for `BuildWish.dockerfile`. */
  readonly dockerfile: string;
}

/** `dockerfile` is a path in the workspace. Throws WorkFailed when there is no such file, or it is not inside. The archive as that of `packWorkspace`. */
export function buildContext(workspace: Workspace, dockerfile: string): Promise<BuildContext> {
  throw new Error(`to be written: ${workspace.path} ${dockerfile}`);
}
