// Creates the file for input that does not fit into memory, in a folder of its own. The folder is an obligation of the
// run: it is journaled before it exists, and its removal is verified.

import fs from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Obligation, RunPorts } from '../../../calls/contract/ports.ts';
import { open } from '../log/storage/file-io.ts';
import type { InputSpill } from './run-input.ts';

/** The id of the obligation. */
export const inputObligationId = 'input';

export interface InputSpillOptions extends Pick<InputSpill, 'bytesMax' | 'onFailure'> {
  readonly run: string;
  /** Parent of all folders that runs create. The releaser of kind `folder` must receive the same path. */
  readonly work: string;
  readonly openObligation: RunPorts['openObligation'];
}

/** Returns undefined if `bytesMax` is 0. */
export function createInputSpill({ bytesMax, onFailure, ...folder }: InputSpillOptions): InputSpill | undefined {
  return bytesMax === 0 ? undefined : { bytesMax, onFailure, create: () => createFile(folder) };
}

async function createFile({
  run,
  work,
  openObligation,
}: Pick<InputSpillOptions, 'run' | 'work' | 'openObligation'>): Promise<number> {
  const path = join(resolve(work), `${run}.input`);
  const obligation: Obligation = openObligation('folder', inputObligationId, { path });
  const creating = createFolderAndFile(work, path);
  obligation.pendingUntil(creating);
  return creating;
}

/** Only the gateway's own user may read the file, because input may contain secrets. */
async function createFolderAndFile(work: string, path: string): Promise<number> {
  await fs.mkdir(work, { recursive: true });
  await fs.mkdir(path, { mode: 0o700 });
  return (await open(join(path, 'input'), 'wx+', 0o600)) as number;
}
