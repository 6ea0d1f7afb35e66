// The workspace of a run: the files for its jobs. The workspace is prepared before the first job starts and is
// read-only afterwards.

import { mkdir, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { WorkFailed, type WorkspaceSource } from '../../../calls/contract/engines.ts';
import type { RunPorts } from '../../../calls/contract/ports.ts';
import { formatSize } from '../../../calls/text/units.ts';
import type { Limits } from '../../../protocol/limits.ts';
import { ArchiveExtractor } from '../../archive/extract.ts';
import { decompress } from '../../archive/gzip.ts';
import { Quota } from '../../archive/quota.ts';
import { makeFolder } from '../../support/make-folder.ts';
import { systemErrorText } from '../../support/system-error.ts';
import { readArchiveInput, uploadStopped } from './archive-input.ts';
import { toWorkFailed } from './to-work-failed.ts';

export interface Workspace {
  /** Real path of a folder on this machine. Absent: the pipeline has no files. */
  readonly path?: string;
  /** Real absolute paths below `path` that are never copied. */
  readonly hidden: readonly string[];
}

export interface WorkspaceDeps {
  readonly ports: Pick<RunPorts, 'run' | 'input' | 'signal' | 'openObligation'>;
  /** Parent of all run folders. `releaseFolder` must receive the same path. */
  readonly work: string;
  /** Folders that are never copied, such as the gateway's data folder. */
  readonly hide?: readonly string[];
  readonly limits: Pick<Limits, 'workspaceBytesMax' | 'workspaceFilesMax'>;
}

/**
 * Prepares the workspace. Rejects with WorkFailed if the folder does not exist or is not a folder. For uploads, rejects
 * with WorkFailed if the input is not an archive, is truncated, exceeds a limit, or has an entry that escapes the
 * target folder.
 *
 * A folder created for the run is an obligation, journaled before the folder exists.
 */
export async function openWorkspace(source: WorkspaceSource, deps: WorkspaceDeps): Promise<Workspace> {
  switch (source.from) {
    case 'nowhere':
      return { hidden: [] };
    case 'folder':
      return {
        path: await existingFolder(source.path),
        hidden: await Promise.all((deps.hide ?? []).map(realPathOrResolved)),
      };
    case 'input':
      return { path: await receiveUpload(source.encoding, deps), hidden: [] };
  }
}

async function existingFolder(folder: string): Promise<string> {
  try {
    if ((await stat(folder)).isDirectory()) return await realpath(folder);
  } catch (error) {
    throw new WorkFailed(`cannot use "${folder}" as workspace: ${systemErrorText(error)}`, { cause: error });
  }
  throw new WorkFailed(`cannot use "${folder}" as workspace: it is not a folder`);
}

async function realPathOrResolved(folder: string): Promise<string> {
  return realpath(folder).catch(() => resolve(folder));
}

async function receiveUpload(encoding: 'base64' | 'binary', { ports, work, limits }: WorkspaceDeps): Promise<string> {
  const path = join(resolve(work), ports.run);
  makeFolder(work);
  const obligation = ports.openObligation('folder', 'workspace', { path });
  const extracting = extractUpload(path, encoding, { ports, limits });
  obligation.pendingUntil(extracting);
  await extracting;
  return realpath(path);
}

async function extractUpload(
  path: string,
  encoding: 'base64' | 'binary',
  { ports, limits }: Pick<WorkspaceDeps, 'ports' | 'limits'>,
): Promise<void> {
  const { workspaceBytesMax: bytesMax, workspaceFilesMax: entriesMax } = limits;
  // Discard the input to end a pending read, because the folder cannot be removed during the read.
  const stop = (): void => ports.input.discard();
  ports.signal.addEventListener('abort', stop, { once: true });
  try {
    if (ports.signal.aborted) throw uploadStopped();
    // Other users of this machine must not read the files.
    await mkdir(path, { mode: 0o700 });
    const tree = new ArchiveExtractor(
      path,
      new Quota({ bytesMax, entriesMax, quotaMessage: (of) => quotaMessage(of, limits) }),
    );
    await tree.extract(decompress(readArchiveInput(ports.input, { encoding, signal: ports.signal })));
  } catch (error) {
    throw toWorkFailed('cannot extract the uploaded files', error);
  } finally {
    ports.signal.removeEventListener('abort', stop);
    ports.input.discard();
  }
}

function quotaMessage(of: 'bytes' | 'entries', limits: WorkspaceDeps['limits']): string {
  return of === 'bytes'
    ? `they exceed ${formatSize(limits.workspaceBytesMax)} (limit workspaceBytesMax): send less, or exclude some files`
    : `they exceed ${limits.workspaceFilesMax} entries (limit workspaceFilesMax): send fewer, or exclude some files`;
}
