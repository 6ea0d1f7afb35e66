// Ids of runs, as they are named on the command line.

import { InvalidArgumentError } from 'commander';
import { runIdPattern } from '../../../protocol/run-id.ts';

/** Reads the id of a run; commander tells the person when it can be none. */
export function runId(text: string): string {
  if (runIdPattern.test(text)) return text;
  throw new InvalidArgumentError('It must be 1 to 64 letters, digits, "_" and "-", and begin with a letter or digit.');
}
