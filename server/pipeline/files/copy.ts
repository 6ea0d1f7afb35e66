// What `copyFiles` copies into a job: the workspace without what is ignored, and on top of it what earlier jobs left.

import type { Archive } from '../../../calls/contract/containers.ts';
import type { IgnorePattern } from '../language/tree.ts';
import type { Workspace } from './workspace.ts';

export interface CopyWish {
  readonly ignore: readonly IgnorePattern[];
  /** Folders of earlier jobs (`Artifacts.folderOf`), in the order in which they lie on top of each other. Those not there are passed over. */
  readonly artifacts: readonly string[];
  /** How much was packed; called once, when the archive has been read to its end. */
  readonly onPacked?: (packed: { readonly files: number; readonly bytes: number }) => void;
  /** Something is not as it should be, but no failure: a file that changed while it was read. */
  readonly onWarning?: (message: string) => void;
}

/** Nothing is read before the archive is. Reading it throws WorkFailed for a file that cannot be read. */
export function packWorkspace(workspace: Workspace, wish: CopyWish): Archive {
  throw new Error(`to be written: ${workspace.path} ${wish.ignore.length}`);
}
