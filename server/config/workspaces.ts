// Whether a folder of this machine is one that callers of `pipeline.run` may choose as workspace.

import { realpath } from 'node:fs/promises';
import { WorkFailed } from '../../calls/contract/engines.ts';
import { quote } from '../../calls/contract/quote.ts';
import { isWithin } from '../../calls/pipeline-options.ts';

/** The path of `folder` with all links in it followed. Throws WorkFailed when it is not there, or leads out of all of `workspaces` (absolute; links in them are followed, too). */
export async function inWorkspaces(folder: string, workspaces: readonly string[]): Promise<string> {
  const [real, ...allowed] = await Promise.all([folder, ...workspaces].map((path) => realpath(path).catch(() => undefined)));
  if (real === undefined) throw new WorkFailed(`there is no folder ${quote(folder)} on the gateway's machine`);
  if (allowed.some((one) => one !== undefined && isWithin(real, one))) return real;
  throw new WorkFailed(`the folder ${quote(folder)} leads out of those that the operator allows`);
}
