// The file for the result of a run. It is opened before the run starts, so that no run starts in vain if the path is
// wrong.

import { open, stat, writeFile } from 'node:fs/promises';
import type { ClientResult } from '../../../protocol/client/client.ts';
import { systemErrorText } from '../../support/system-error.ts';
import type { Stdio } from '../backend.ts';

export interface ResultFile {
  /** Writes the result as JSON. Resolves with an error message, or undefined on success. */
  write(result: ClientResult): Promise<string | undefined>;
}

/** `-` is stderr; undefined writes nothing. The file is empty until the result is written. Never rejects. */
export async function openResultFile(
  path: string | undefined,
  { stderr }: Pick<Stdio, 'stderr'>,
): Promise<ResultFile | { readonly error: string }> {
  if (path === undefined) return { write: async () => undefined };
  if (path === '-')
    return {
      write: async (result) => {
        stderr.write(format(result));
        return undefined;
      },
    };
  try {
    // Do not open a pipe yet: that would wait until another process reads from it.
    if (await isFile(path)) await (await open(path, 'w')).close();
    return { write: (result) => writeResult(path, result) };
  } catch (error) {
    return { error: errorText(path, error) };
  }
}

/** Also true for a path that does not exist yet, and for a folder, which `open` then rejects. */
async function isFile(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats === undefined || stats.isFile() || stats.isDirectory();
}

async function writeResult(path: string, result: ClientResult): Promise<string | undefined> {
  try {
    await writeFile(path, format(result));
    return undefined;
  } catch (error) {
    return errorText(path, error);
  }
}

function format(result: ClientResult): string {
  return `${JSON.stringify(result)}\n`;
}

function errorText(path: string, error: unknown): string {
  return `cannot write the result to "${path}": ${systemErrorText(error)}`;
}
