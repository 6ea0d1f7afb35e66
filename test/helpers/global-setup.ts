// Root fixture of every test run: one folder for all temporary files, and a check that nothing is left behind.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { leftoverContainers, leftoverProcesses } from './leftovers.ts';
import { rememberTimers } from './open-timers.ts';
import { limitRunEnd } from './run-end.ts';
import { tearDown } from './teardown.ts';

// Set the folder while this file loads, before any test needs it. Child processes inherit the variable.
const folder = mkdtempSync(join(tmpdir(), 'dt-'));
process.env['TMPDIR'] = folder;
rememberTimers();

/** Fails the test run if a process, a container or a file is left behind, or if the test process does not end. */
export async function mochaGlobalTeardown(): Promise<void> {
  limitRunEnd();
  const left = [...leftoverProcesses(), ...(await leftoverContainers())];
  await tearDown();
  left.push(
    ...readdirSync(folder)
      .filter((name) => !isCache(name))
      .map((name) => `file ${name}`),
  );
  rmSync(folder, { recursive: true, force: true });
  if (left.length > 0) throw new Error(`the tests left behind:\n  ${left.join('\n  ')}`);
}

/** Returns true for folders of compiled code, which tsx and Node cache for the next start. */
function isCache(name: string): boolean {
  return name.startsWith('tsx-') || name === 'node-compile-cache';
}
