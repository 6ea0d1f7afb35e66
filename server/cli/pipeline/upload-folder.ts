// Sends the caller's folder to a pipeline: a compressed archive, encoded as input lines of the run.

import { stat } from 'node:fs/promises';
import type { OpenCall } from '../../../protocol/client/client.ts';
import { toBase64Lines } from '../../archive/base64-lines.ts';
import { combineFilters, filterByGitignore, readFirstIgnoreFile } from '../../archive/gitignore.ts';
import { compress } from '../../archive/gzip.ts';
import { type ArchiveStats, packFolder } from '../../archive/pack.ts';
import type { PathFilter } from '../../archive/walk-folder.ts';
import { SentSizes } from './sent-sizes.ts';

/** File in the sent folder that has gitignore patterns of files to leave out. */
export const ignoreFile = '.distilleryignore';

/** Data of a gateway that runs in this folder, never sent. */
const alwaysIgnored = ['/.distillery/'];

const lineChars = 64 << 10;

export interface SendListener {
  /** Called with the totals so far. */
  onProgress(tally: ArchiveStats): void;
  /** Called for a file that cannot be sent unchanged. Sending continues. */
  onWarning(path: string, what: string): void;
}

export interface SentFolder extends ArchiveStats {
  /** Largest file or folder directly in the folder, with its size. */
  readonly largest?: string;
  /** If there is no ignore file: what was sent but is seldom meant to be. */
  readonly suspects: readonly string[];
}

export interface FolderToSend {
  readonly folder: string;
  /** Further filter, besides the ignore file. */
  readonly filter?: PathFilter;
}

/**
 * Resolves with the totals when everything is sent, or undefined if the run stopped reading. Rejects with an Error that
 * names the file if one cannot be read.
 */
export async function sendFolder(
  { folder, filter }: FolderToSend,
  call: Pick<OpenCall, 'write' | 'end'>,
  { onProgress, onWarning }: SendListener,
): Promise<SentFolder | undefined> {
  const { name, patterns } = await readFirstIgnoreFile(folder, [ignoreFile]);
  const ignored = filterByGitignore([...alwaysIgnored, ...patterns]);
  const sizes = new SentSizes();
  let sent: ArchiveStats = { files: 0, bytes: 0 };
  const archive = packFolder(folder, {
    filter: filter === undefined ? ignored : combineFilters([ignored, filter]),
    onWarning: onWarning,
    onPacked: (tally, { path, bytes }) => {
      sent = tally;
      sizes.add(path, bytes);
      onProgress(tally);
    },
  });
  for await (const line of toBase64Lines(compress(archive), lineChars)) if (!(await call.write(line))) return undefined;
  call.end();
  const { largest, suspects } = sizes;
  return { ...sent, ...(largest !== undefined && { largest }), suspects: name === undefined ? suspects : [] };
}

/** Returns why `folder` cannot be sent; undefined if it can. */
export async function folderError(folder: string): Promise<string | undefined> {
  try {
    return (await stat(folder)).isDirectory() ? undefined : `"${folder}" is not a folder`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT'
      ? `folder "${folder}" does not exist`
      : `cannot use the folder "${folder}": ${code ?? 'unknown error'}`;
  }
}
