// What `copyFiles` copies into a job: the workspace without what is ignored, and on top of it what earlier jobs left.

import { join } from 'node:path';
import type { Archive } from '../../../calls/contract/containers.ts';
import { judgeByAll } from '../../support/archive/gitignore.ts';
import { packFolders, type Source } from '../../support/archive/pack.ts';
import type { Judge } from '../../support/archive/walk.ts';
import type { IgnorePattern } from '../language/tree.ts';
import { failingAs } from './failure.ts';
import { judgeByPatterns } from './ignore-patterns.ts';
import type { Workspace } from './workspace.ts';

export interface CopyWish {
  readonly ignore: readonly IgnorePattern[];
  /** Folders of earlier jobs (`Artifacts.folderOf`), in the order in which they lie on top of each other. Those not there are passed over. */
  readonly artifacts: readonly string[];
  /** How much is packed by now: files and links, and bytes. Called after each; the last time before the end of the archive is read. */
  readonly onPacked?: (packed: { readonly files: number; readonly bytes: number }) => void;
  /** Something is not as it should be, but no failure: a file that changed while it was read. */
  readonly onWarning?: (message: string) => void;
}

/** Nothing is read before the archive is. Reading it throws WorkFailed for a file that cannot be read. Throws WorkFailed for a pattern that would take too long. */
export function packWorkspace(workspace: Workspace, { ignore, artifacts, onPacked, onWarning }: CopyWish): Archive {
  const sources: readonly Source[] = [
    ...(workspace.path === undefined ? [] : [{ root: workspace.path, judge: judgeByAll([judgeByPatterns(ignore), judgeHidden(workspace)]) }]),
    ...artifacts.map((root) => ({ root, optional: true })),
  ];
  return failingAs('cannot copy the files', packFolders(sources, {
    ...(onPacked !== undefined && { onPacked }),
    onTrouble: (path, what) => onWarning?.(`copying "${path}": ${what}`),
  }));
}

/** Leaves out what is nobody's business. */
export function judgeHidden({ path = '', hidden }: Workspace): Judge {
  if (hidden.length === 0) return () => 'take';
  return (below, isFolder) => (isFolder && hidden.includes(join(path, below)) ? 'leave' : 'take');
}
