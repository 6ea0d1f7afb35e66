// What is wrong with files is a failure of the work, told to whoever called it.

import { WorkFailed } from '../../../calls/contract/engines.ts';
import { ArchiveError } from '../../support/archive/archive-error.ts';

/** The error to be thrown: WorkFailed with `what` before the reason, when it is about the files; the same one otherwise. */
export function failedAt(what: string, error: unknown): unknown {
  return error instanceof ArchiveError ? new WorkFailed(`${what}: ${error.message}`, { cause: error }) : error;
}

/** The same pieces; what is wrong with the files is told as `failedAt` does. */
export async function* failingAs(what: string, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } catch (error) {
    throw failedAt(what, error);
  }
}
