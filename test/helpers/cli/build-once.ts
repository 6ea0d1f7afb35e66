// Builds the product before the first test that runs the command, because built code starts faster than the sources.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Name of the variable that says that the build is current. `npm test` or this file sets it; child processes inherit
 * it.
 */
const builtVariable = 'DISTILLERY_TEST_BUILT';

/** Builds the product unless the build is current. Idempotent. */
export function buildOnce(): void {
  if (process.env[builtVariable] === '1') return;
  execFileSync(process.execPath, [fileURLToPath(new URL('../../../.ci/build.mjs', import.meta.url))], {
    stdio: 'ignore',
  });
  process.env[builtVariable] = '1';
}
