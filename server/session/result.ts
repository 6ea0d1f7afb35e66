// What a session says at its end: the run's own result, or why there is none.

import { sessionEndings, type SessionEndingName } from '../../protocol/close-codes.ts';
import type { Result } from '../../protocol/messages.ts';
import type { Json, RunRecord } from '../../protocol/record.ts';

export interface SessionEnd {
  readonly ending: SessionEndingName;
  /** Number of the line (byte) after the last one that was told. */
  readonly next: number;
  /** The session had a run. */
  readonly hadRun: boolean;
  /** Of the run, when it is over and all of it was told. */
  readonly record?: RunRecord | undefined;
  readonly value?: Json | undefined;
  /** Why the call could not be started as asked. */
  readonly refusal?: string | undefined;
}

export function resultOf({ ending, next, hadRun, record, value, refusal }: SessionEnd): Result {
  if (record !== undefined) return resultOfRun(record, { ending, next, value });
  if (ending === 'detached') return { success: true, status: 'detached', next };
  const message = refusal ?? ownText(ending);
  // The run of a watcher goes on whatever becomes of the session.
  return { success: false, status: hadRun ? 'detached' : 'rejected', message, next };
}

/** What the client reads of an ending that nobody has more exact words for. */
export function ownText(ending: SessionEndingName): string {
  const row = sessionEndings[ending];
  return 'message' in row ? row.message : 'unspecified error';
}

function resultOfRun(record: RunRecord, { ending, next, value }: { ending: SessionEndingName; next: number; value: Json | undefined }): Result {
  const { closeCode } = sessionEndings[ending];
  const { outcome = 'unknown', exitCode, signal, cleanup } = record;
  const orderly = closeCode === 1000 || closeCode === 1001;
  const success = outcome === 'succeeded' && orderly;
  const message = (orderly ? record.message : undefined) ?? (success ? undefined : ownText(ending));
  return {
    success, status: outcome, ...(message !== undefined && { message }), ...(value !== undefined && { value }),
    ...(exitCode !== undefined && { exitCode }), ...(signal !== undefined && { signal }), next, ...(cleanup !== undefined && { cleanup }),
  };
}
