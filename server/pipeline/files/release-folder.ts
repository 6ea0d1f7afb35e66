// Removing the folder of a run, from its journal entry alone.

import type { Releaser } from '../../../calls/contract/ports.ts';

/** The releaser for obligations of kind `folder`. Touches nothing but folders that are right below `work`. */
export function releaseFolder(work: string): Releaser {
  throw new Error(`to be written: ${work}`);
}
