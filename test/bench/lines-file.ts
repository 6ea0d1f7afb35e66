// A file of lines that are all alike, for a process to print.

import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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

/**
 * Uses so much memory for files, and lets it go. A virtual machine may give memory that it does not use back to its host, and then the first touch costs
 * ten times as much as writing to it; whoever is measured first would pay for that.
 */
export function touchMemory(bytes: number): void {
  const file = join(tmpdir(), 'touched');
  const piece = Buffer.alloc(1 << 20);
  const opened = openSync(file, 'w');
  for (let written = 0; written < bytes; written += piece.length) writeSync(opened, piece);
  closeSync(opened);
  rmSync(file);
}
