// Checks whether callers of `pipeline.run` may choose a folder as workspace.

import { realpath } from 'node:fs/promises';
import { WorkFailed } from '../../calls/contract/engines.ts';
import { isWithin } from '../../calls/pipeline-options.ts';
import { quote } from '../../calls/text/quote.ts';

/**
 * Returns the path of `folder` with all links resolved. Rejects with WorkFailed when the folder does not exist or lies
 * outside all of `workspaces`. The paths in `workspaces` are absolute; their links are resolved as well.
 */
export async function resolveWorkspace(folder: string, workspaces: readonly string[]): Promise<string> {
  const [realFolder, ...allowed] = await Promise.all(
    [folder, ...workspaces].map((path) => realpath(path).catch(() => undefined)),
  );
  if (realFolder === undefined)
    throw new WorkFailed(`the folder ${quote(folder)} does not exist on the gateway's machine`);
  if (allowed.some((one) => one !== undefined && isWithin(realFolder, one))) return realFolder;
  throw new WorkFailed(
    `the folder ${quote(folder)} is outside the folders that the operator allows; choose one ` +
      'inside pipelines.workspaces',
  );
}
