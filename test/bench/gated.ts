// A call whose process waits for a file before each step: watchers gather while it waits, and nothing is measured before all are there.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Gated {
  /** The process of the call. */
  readonly argv: readonly [string, ...string[]];
  /** Lets the process take its step `number`, counted from 1. */
  open(number: number): Promise<void>;
}

/** `steps` are shell commands; what comes after the last one is the end. The gates are files in `folder`. */
export function gated(folder: string, steps: readonly string[]): Gated {
  const gate = (number: number): string => join(folder, `gate-${number}`);
  const script = steps.map((step, i) => `while [ ! -e ${gate(i + 1)} ]; do sleep 0.02; done; ${step}`).join('; ');
  return { argv: ['sh', '-c', script], open: (number) => writeFile(gate(number), '') };
}
