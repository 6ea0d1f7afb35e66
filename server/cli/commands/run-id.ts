// Parses ids of runs.

import { InvalidArgumentError } from 'commander';
import { runIdPattern } from '../../../protocol/run-id.ts';

export const runArgumentText = 'id of the run, the beginning of its id, or "last" for the newest run';

/** Returns the id if it is valid. Commander prints the error. */
export function parseRunId(text: string): string {
  if (runIdPattern.test(text)) return text;
  throw new InvalidArgumentError('It must be 1 to 64 letters, digits, "_" and "-", and begin with a letter or digit.');
}
