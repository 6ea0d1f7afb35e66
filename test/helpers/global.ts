// Around the whole test run: one Docker engine, one folder for everything temporary, and a look at what was left behind.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSharedEngine, stopSharedEngine } from './engine.ts';
import { containersLeft, runProcessesLeft } from './leftovers.ts';

// Set while this file is loaded, before any test asks for the folder; children inherit it.
const folder = mkdtempSync(join(tmpdir(), 'dt-'));
process.env['TMPDIR'] = folder;

export async function mochaGlobalSetup(): Promise<void> {
  await startSharedEngine();
}

/** A test run that leaves a process, a container or a file behind fails. */
export async function mochaGlobalTeardown(): Promise<void> {
  const left = [...runProcessesLeft(), ...await containersLeft()];
  await stopSharedEngine();
  left.push(...readdirSync(folder).filter((name) => !isCache(name)).map((name) => `file ${name}`));
  rmSync(folder, { recursive: true, force: true });
  if (left.length > 0) throw new Error(`the tests left behind:\n  ${left.join('\n  ')}`);
}

/** Compiled code, kept by tsx and Node for the next start. */
function isCache(name: string): boolean {
  return name.startsWith('tsx-') || name === 'node-compile-cache';
}
