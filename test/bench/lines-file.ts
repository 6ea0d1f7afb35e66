// Writes a file of equal lines, which a process prints.

import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const piece = 10_000;

/** `bytes` is the size of a line including its `\n`. `lines` must be a multiple of 10000. */
export async function writeLines(file: string, lines: number, bytes: number): Promise<void> {
  const chunk = Buffer.from(`${'x'.repeat(bytes - 1)}\n`.repeat(piece));
  const handle = await open(file, 'w');
  try {
    for (let written = 0; written < lines; written += piece) await handle.write(chunk);
  } finally {
    await handle.close();
  }
}

/**
 * Fills this much memory with file content and frees it. A virtual machine may return unused memory to its host. The
 * next access to that memory is then ten times slower than a write, and would slow down the first server measured.
 */
export function touchMemory(bytes: number): void {
  const file = join(tmpdir(), 'touched');
  const block = Buffer.alloc(1 << 20);
  const opened = openSync(file, 'w');
  for (let written = 0; written < bytes; written += block.length) writeSync(opened, block);
  closeSync(opened);
  rmSync(file);
}
