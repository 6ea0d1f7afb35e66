// The workspace of a run: the files its jobs are given. Made ready once, before any job, and only read afterwards.

import { mkdir, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { WorkFailed, type WorkspaceSource } from '../../../calls/contract/engines.ts';
import type { RunPorts } from '../../../calls/contract/ports.ts';
import type { Limits } from '../../../protocol/limits.ts';
import { formatSize } from '../../../calls/contract/units.ts';
import { Budget } from '../../support/archive/budget.ts';
import { plain } from '../../support/archive/gzip.ts';
import { Tree } from '../../support/archive/tree.ts';
import { systemReason } from '../../support/reason.ts';
import { failedAt } from './failure.ts';
import { received, stopped } from './received.ts';

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
export async function openWorkspace(source: WorkspaceSource, parts: WorkspaceParts): Promise<Workspace> {
  switch (source.from) {
    case 'nowhere': return { hidden: [] };
    case 'folder': return { path: await existing(source.path), hidden: await Promise.all((parts.hide ?? []).map(real)) };
    case 'input': return { path: await sent(source.encoding, parts), hidden: [] };
  }
}

async function existing(folder: string): Promise<string> {
  try {
    if ((await stat(folder)).isDirectory()) return await realpath(folder);
  } catch (error) {
    throw new WorkFailed(`cannot use "${folder}" as workspace: ${systemReason(error)}`, { cause: error });
  }
  throw new WorkFailed(`cannot use "${folder}" as workspace: it is not a folder`);
}

async function real(folder: string): Promise<string> {
  return realpath(folder).catch(() => resolve(folder));
}

async function sent(encoding: 'base64' | 'binary', { ports, work, limits }: WorkspaceParts): Promise<string> {
  const path = join(resolve(work), ports.run);
  await mkdir(work, { recursive: true });
  const owed = ports.owe('folder', 'workspace', { path });
  const flow = unpackInto(path, encoding, { ports, limits });
  owed.during(flow);
  await flow;
  return realpath(path);
}

async function unpackInto(path: string, encoding: 'base64' | 'binary', { ports, limits }: Pick<WorkspaceParts, 'ports' | 'limits'>): Promise<void> {
  const { workspaceBytesMax: bytesMax, workspaceFilesMax: entriesMax } = limits;
  // Whoever waits for input is woken; the folder cannot be removed before.
  const stop = (): void => ports.input.discard();
  ports.signal.addEventListener('abort', stop, { once: true });
  try {
    if (ports.signal.aborted) throw stopped();
    // Files of callers are nobody else's business on this machine.
    await mkdir(path, { mode: 0o700 });
    const tree = new Tree(path, new Budget({ bytesMax, entriesMax, tooMuch: (of) => tooMuch(of, limits) }));
    await tree.unpack(plain(received(ports.input, { encoding, signal: ports.signal })));
  } catch (error) {
    throw failedAt('cannot unpack the files that were sent', error);
  } finally {
    ports.signal.removeEventListener('abort', stop);
    ports.input.discard();
  }
}

function tooMuch(of: 'bytes' | 'entries', limits: WorkspaceParts['limits']): string {
  return of === 'bytes'
    ? `they are more than ${formatSize(limits.workspaceBytesMax)} (limit workspaceBytesMax): send less, or leave some out`
    : `they are more than ${limits.workspaceFilesMax} (limit workspaceFilesMax): send fewer, or leave some out`;
}
