// The file's text, or why there is none.

import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { formatSize } from '../../calls/contract/units.ts';

/** No configuration is as large as this; what is has been named by mistake. */
export const configBytesMax = 1 << 20;

export type FileText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly message: string; /** From 1; 0: the file as a whole. */ readonly line: number };

/** Reads at most `configBytesMax` and a byte, whatever the file claims its size to be. */
export async function readConfigFile(file: string): Promise<FileText> {
  try {
    const bytes = await readBounded(file);
    if (bytes.length > configBytesMax) return refused(`is larger than ${formatSize(configBytesMax)}; is this the right file?`);
    const text = bytes.toString('utf8').replace(/^\uFEFF/, '');
    return isUtf8(bytes) ? { ok: true, text } : refused('is not UTF-8; save it in this encoding', firstBrokenLine(bytes));
  } catch (error) {
    return refused(reason(error as NodeJS.ErrnoException, file));
  }
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

function refused(message: string, line = 0): FileText {
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
