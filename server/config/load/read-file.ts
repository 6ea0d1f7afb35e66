// Reads the text of a configuration or pipeline file, or says why it cannot be read.

import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { formatSize } from '../../../calls/text/units.ts';
import { decodeText } from '../../support/decode-text.ts';

/** Maximum size of a file. A larger file is not a configuration. */
export const configBytesMax = 1 << 20;

export interface UnreadableFile {
  readonly ok: false;
  readonly message: string;
  /** Number of the line with the error; the first line is 1. 0: the error concerns the file as a whole. */
  readonly line: number;
  readonly missing?: true;
}

export type FileText = { readonly ok: true; readonly text: string } | UnreadableFile;

/**
 * Reads a text file. Stops reading above `configBytesMax`, because the size that a file reports can be wrong. Never
 * throws.
 */
export async function readConfigFile(file: string): Promise<FileText> {
  try {
    const bytes = await readBounded(file);
    if (bytes.length > configBytesMax)
      return unreadable(`the file is larger than ${formatSize(configBytesMax)}; check that it is the right one`);
    return decodeText(bytes);
  } catch (error) {
    const cause = error as NodeJS.ErrnoException;
    return { ...unreadable(openErrorText(cause)), ...(cause.code === 'ENOENT' && { missing: true }) };
  }
}

/** Reads a pipeline file for a run. Rejects with WorkFailed; the message names the file without its folder. */
export async function readPipelineFile(file: string): Promise<string> {
  const read = await readConfigFile(file);
  if (read.ok) return read.text;
  const reason = read.missing === true ? 'the file does not exist' : read.message;
  throw new WorkFailed(`cannot read the pipeline ${basename(file)}: ${reason}`);
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

function unreadable(message: string, line = 0): UnreadableFile {
  return { ok: false, message, line };
}

function openErrorText({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT':
      return 'there is no such file; create it, or name another one';
    case 'EACCES':
      return 'the file cannot be read: permission denied';
    case 'EISDIR':
      return 'this is a folder, not a file';
    default:
      return `the file cannot be read: ${message}`;
  }
}
