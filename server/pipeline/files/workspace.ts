// The workspace of a run: the files its jobs are given. Made ready once, before any job, and only read afterwards.

import type { WorkspaceSource } from '../../../calls/contract/engines.ts';
import type { RunPorts } from '../../../calls/contract/ports.ts';
import type { Limits } from '../../../protocol/limits.ts';

export interface Workspace {
  /** A folder of this machine, with all links in its path followed; absent: there are no files. */
  readonly path?: string;
  /** Below it, these are nobody's business and never copied: absolute paths, links followed. */
  readonly hidden: readonly string[];
}

export interface WorkspaceParts {
  readonly ports: Pick<RunPorts, 'run' | 'input' | 'signal' | 'owe'>;
  /** Where the folders of runs are made; the same one that `releaseFolder` was given. */
  readonly work: string;
  /** Folders that are never copied, such as the gateway's own data. */
  readonly hide?: readonly string[];
  readonly limits: Pick<Limits, 'workspaceBytesMax' | 'workspaceFilesMax'>;
}

/**
 * Resolves when the files are there. Throws WorkFailed when they are not to be had: no such folder, an input that is no archive, is cut off, too large, or
 * wants to be written elsewhere. A folder made for the run is an obligation of it, journaled before.
 */
export function openWorkspace(source: WorkspaceSource, parts: WorkspaceParts): Promise<Workspace> {
  throw new Error(`to be written: ${source.from} ${parts.work}`);
}
