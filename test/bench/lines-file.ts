// A file of lines that are all alike, for a process to print.

import { open } from 'node:fs/promises';

const piece = 10_000;

/** `bytes` of each line includes its `\n`; `lines` is a multiple of 10000. */
export async function writeLines(file: string, lines: number, bytes: number): Promise<void> {
  const chunk = Buffer.from(`${'x'.repeat(bytes - 1)}\n`.repeat(piece));
  const handle = await open(file, 'w');
  try {
    for (let written = 0; written < lines; written += piece) await handle.write(chunk);
  } finally {
    await handle.close();
  }
}
