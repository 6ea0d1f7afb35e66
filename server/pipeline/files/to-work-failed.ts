// Converts archive errors to WorkFailed, so that callers see the reason.

import { WorkFailed } from '../../../calls/contract/engines.ts';
import { ArchiveError } from '../../archive/archive-error.ts';

/** Returns WorkFailed with `prefix` before the reason for an ArchiveError. Returns any other error unchanged. */
export function toWorkFailed(prefix: string, error: unknown): unknown {
  return error instanceof ArchiveError ? new WorkFailed(`${prefix}: ${error.message}`, { cause: error }) : error;
}

/** Yields the same pieces, and converts errors with `toWorkFailed`. */
export async function* withWorkFailed(prefix: string, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } catch (error) {
    throw toWorkFailed(prefix, error);
  }
}
