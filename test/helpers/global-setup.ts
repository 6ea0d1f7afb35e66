// Root fixture of every test run: one folder for all temporary files, and a check that nothing is left behind.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { leftoverContainers, leftoverProcesses } from './leftovers.ts';
import { limitRunEnd } from './run-end.ts';

// Set the folder while this file loads, before any test needs it. Child processes inherit the variable.
const folder = mkdtempSync(join(tmpdir(), 'dt-'));
process.env['TMPDIR'] = folder;

/** Fails the test run if a process, a container or a file is left behind, or if the run does not end. */
export async function mochaGlobalTeardown(): Promise<void> {
  limitRunEnd();
  const left = [...leftoverProcesses(), ...(await leftoverContainers())];
  await stopEngine();
  left.push(
    ...readdirSync(folder)
      .filter((name) => !isCache(name))
      .map((name) => `file ${name}`),
  );
  rmSync(folder, { recursive: true, force: true });
  if (left.length > 0) throw new Error(`the tests left behind:\n  ${left.join('\n  ')}`);
}

/** Stops the engine if a test started one. */
async function stopEngine(): Promise<void> {
  if (process.env['DISTILLERY_TEST_ENGINE'] === undefined) return;
  // Load this late: the code of engines takes longer to load than most test files.
  const { stopSharedEngine } = await import('./docker/shared-engine.ts');
  await stopSharedEngine();
}

/** Returns true for folders of compiled code, which tsx and Node cache for the next start. */
function isCache(name: string): boolean {
  return name.startsWith('tsx-') || name === 'node-compile-cache';
}
