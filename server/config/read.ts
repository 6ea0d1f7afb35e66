// The file's text, or why there is none.

import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { WorkFailed } from '../../calls/contract/engines.ts';
import { formatSize } from '../../calls/contract/units.ts';

/** No configuration is as large as this; what is has been named by mistake. */
export const configBytesMax = 1 << 20;

export type FileText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly message: string; /** From 1; 0: the file as a whole. */ readonly line: number; readonly missing?: true };

/** Reads at most `configBytesMax` and a byte, whatever the file claims its size to be. */
export async function readConfigFile(file: string): Promise<FileText> {
  try {
    const bytes = await readBounded(file);
    if (bytes.length > configBytesMax) return refused(`is larger than ${formatSize(configBytesMax)}; is this the right file?`);
    const text = bytes.toString('utf8').replace(/^\uFEFF/, '');
    return isUtf8(bytes) ? { ok: true, text } : refused('is not UTF-8; save it in this encoding', firstBrokenLine(bytes));
  } catch (error) {
    const problem = error as NodeJS.ErrnoException;
    return { ...refused(reason(problem, file)), ...(problem.code === 'ENOENT' && { missing: true }) };
  }
}

/** The text of a pipeline's file for a run. Throws WorkFailed, with a reason that has no folder in it. */
export async function readPipelineFile(file: string): Promise<string> {
  const read = await readConfigFile(file);
  if (read.ok) return read.text;
  throw new WorkFailed(`the pipeline ${basename(file)} ${read.missing === true ? 'is not there any more' : read.message}`);
}

async function readBounded(file: string): Promise<Buffer> {
  const handle = await open(file);
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    while (length <= configBytesMax) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(64 << 10));
      if (bytesRead === 0) break;
      chunks.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
    }
    return Buffer.concat(chunks);
  } finally {
    await handle.close();
  }
}

function refused(message: string, line = 0): Extract<FileText, { readonly ok: false }> {
  return { ok: false, message, line };
}

function firstBrokenLine(bytes: Buffer): number {
  let line = 1;
  for (let start = 0; ; line += 1) {
    const end = bytes.indexOf(0x0a, start);
    if (end === -1 || !isUtf8(bytes.subarray(start, end))) return line;
    start = end + 1;
  }
}

function reason({ code, message }: NodeJS.ErrnoException, file: string): string {
  switch (code) {
    case 'ENOENT': return `there is no such file; write one, or name another with --config (looked for ${basename(file)})`;
    case 'EACCES': return 'cannot be read: permission denied';
    case 'EISDIR': return 'is a folder, not a file';
    default: return `cannot be read: ${message}`;
  }
}
