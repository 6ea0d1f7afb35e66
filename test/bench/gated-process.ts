// A process that waits for a file before each step, so that the measurement starts only when all watchers are
// connected.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface GatedProcess {
  /** The program and its arguments. */
  readonly argv: readonly [string, ...string[]];
  /** Starts step `number`, counted from 1. */
  openGate(number: number): Promise<void>;
}

/**
 * `steps` are shell commands. The process ends after the last step. `folder` contains the files that open the gates.
 */
export function createGatedProcess(folder: string, steps: readonly string[]): GatedProcess {
  const gate = (number: number): string => join(folder, `gate-${number}`);
  const script = steps.map((step, i) => `while [ ! -e ${gate(i + 1)} ]; do sleep 0.02; done; ${step}`).join('; ');
  return { argv: ['sh', '-c', script], openGate: (number) => writeFile(gate(number), '') };
}
