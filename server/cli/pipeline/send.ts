// The caller's folder on its way to a pipeline: an archive, compressed, as lines of the run's input.

import { stat } from 'node:fs/promises';
import type { OpenCall } from '../../../protocol/client.ts';
import { toBase64Lines } from '../../support/archive/base64.ts';
import { firstIgnoreFile, judgeByGitignore } from '../../support/archive/gitignore.ts';
import { gzipped } from '../../support/archive/gzip.ts';
import { packFolder, type Tally } from '../../support/archive/pack.ts';

/** In the folder that is sent: gitignore patterns of what stays here. */
export const ignoreFile = '.distilleryignore';

/** What a gateway keeps in the folder it is started in is not the caller's work. */
const always = ['/.distillery/'];

const lineChars = 64 << 10;

export interface SendNews {
  /** So much is packed by now. */
  onProgress(tally: Tally): void;
  /** Something is not sent as it was found; it goes on all the same. */
  onTrouble(path: string, what: string): void;
}

/** Resolves with what was sent when all is; with undefined when nobody will read it. Throws an Error, for people, when a file cannot be read. */
export async function sendFolder(folder: string, call: Pick<OpenCall, 'write' | 'end'>, { onProgress, onTrouble }: SendNews): Promise<Tally | undefined> {
  const { patterns } = await firstIgnoreFile(folder, [ignoreFile]);
  let sent: Tally = { files: 0, bytes: 0 };
  const archive = packFolder(folder, {
    judge: judgeByGitignore([...always, ...patterns]), onTrouble,
    onPacked: (tally) => {
      sent = tally;
      onProgress(tally);
    },
  });
  for await (const line of toBase64Lines(gzipped(archive), lineChars)) if (!(await call.write(line))) return undefined;
  call.end();
  return sent;
}

/** What keeps `folder` from being sent; undefined when nothing is known to. */
export async function folderProblem(folder: string): Promise<string | undefined> {
  try {
    return (await stat(folder)).isDirectory() ? undefined : `"${folder}" is not a folder`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? `there is no folder "${folder}"` : `the folder "${folder}" cannot be used: ${code ?? 'unknown error'}`;
  }
}
