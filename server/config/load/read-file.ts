// Reads the text of a configuration or pipeline file, or says why it cannot be read.

import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
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

export type FileText =
  /** `regular` is false for a pipe or a device. */
  { readonly ok: true; readonly text: string; readonly regular: boolean } | UnreadableFile;

export interface ReadOptions {
  /**
   * Also reads a pipe or a device, such as `/dev/stdin`, and waits for its writer. Only for the first read of a file
   * that the user named: a pipe has its content only once.
   */
  readonly pipes?: boolean;
}

/**
 * Reads a text file. Stops reading above `configBytesMax`, because the size that a file reports can be wrong. Never
 * throws.
 */
export async function readConfigFile(file: string, { pipes = false }: ReadOptions = {}): Promise<FileText> {
  try {
    const read = await readBounded(pipes ? await open(file) : await openRegular(file));
    if (read === undefined) return unreadable('this is not a regular file');
    const { bytes, regular } = read;
    if (bytes.length > configBytesMax)
      return unreadable(`the file is larger than ${formatSize(configBytesMax)}; check that it is the right one`);
    const decoded = decodeText(bytes);
    return decoded.ok ? { ...decoded, regular } : decoded;
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

/** Opens a regular file or a folder. Returns undefined for anything else. Never waits for the writer of a pipe. */
async function openRegular(file: string): Promise<FileHandle | undefined> {
  // Opening a pipe would let its writer continue, and opening some devices changes their state.
  if (!isRegularOrFolder(await stat(file))) return undefined;
  // The path may name a pipe by now. Without O_NONBLOCK, `open` would then block its thread until a writer comes.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (isRegularOrFolder(await handle.stat())) return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

/** A folder passes, because reading it then fails with an error that says so. */
function isRegularOrFolder(stats: Stats): boolean {
  return stats.isFile() || stats.isDirectory();
}

interface BoundedRead {
  readonly bytes: Buffer;
  readonly regular: boolean;
}

/** Reads and closes the file. */
async function readBounded(handle: FileHandle | undefined): Promise<BoundedRead | undefined> {
  if (handle === undefined) return undefined;
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    while (length <= configBytesMax) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(64 << 10));
      if (bytesRead === 0) break;
      chunks.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
    }
    return { bytes: Buffer.concat(chunks), regular: (await handle.stat()).isFile() };
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
