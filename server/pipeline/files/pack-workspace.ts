// Packs what `copyFiles` copies into a job: the workspace without excluded files, then the artifacts of earlier jobs.

import { join } from 'node:path';
import type { Archive } from '../../../calls/contract/containers.ts';
import { combineFilters } from '../../archive/gitignore.ts';
import { type PackSource, packFolders } from '../../archive/pack.ts';
import type { PathFilter } from '../../archive/walk-folder.ts';
import type { IgnorePattern } from '../language/model.ts';
import { filterByPatterns } from './ignore-patterns.ts';
import { withWorkFailed } from './to-work-failed.ts';
import type { Workspace } from './workspace.ts';

export interface PackWorkspaceOptions {
  readonly ignore: readonly IgnorePattern[];
  /**
   * Artifact folders of earlier jobs (`Artifacts.folderFor`). Files of a later folder replace those of an earlier one.
   * Missing folders are skipped.
   */
  readonly artifacts: readonly string[];
  /**
   * Receives the number of files and links, and of bytes, packed so far. Called after each entry, the last time before
   * the archive ends.
   */
  readonly onPacked?: (packed: { readonly files: number; readonly bytes: number }) => void;
  /** Reports a problem that is not a failure, such as a file that changed while it was read. */
  readonly onWarning?: (message: string) => void;
}

/**
 * Returns the archive, which reads the files only while it is itself read. Reading rejects with WorkFailed for an
 * unreadable file. Throws WorkFailed for patterns that exceed a limit.
 */
export function packWorkspace(
  workspace: Workspace,
  { ignore, artifacts, onPacked, onWarning }: PackWorkspaceOptions,
): Archive {
  const sources: readonly PackSource[] = [
    ...(workspace.path === undefined
      ? []
      : [{ root: workspace.path, filter: combineFilters([filterByPatterns(ignore), filterHidden(workspace)]) }]),
    ...artifacts.map((root) => ({ root, optional: true })),
  ];
  return withWorkFailed(
    'cannot copy the files',
    packFolders(sources, {
      ...(onPacked !== undefined && { onPacked }),
      onWarning: (path, what) => onWarning?.(`copying "${path}": ${what}`),
    }),
  );
}

/** Excludes the hidden folders of the workspace. */
export function filterHidden({ path = '', hidden }: Workspace): PathFilter {
  if (hidden.length === 0) return () => 'include';
  return (below, isFolder) => (isFolder && hidden.includes(join(path, below)) ? 'exclude' : 'include');
}
