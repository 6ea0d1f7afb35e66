// Builds the final message of a session: the result of the run, or why there is none.

import { formatSize } from '../../calls/text/units.ts';
import { type SessionEndingName, sessionEndings } from '../../protocol/close-codes.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { Result } from '../../protocol/messages.ts';
import type { Json, RunRecord } from '../../protocol/run-record.ts';

export interface SessionEnd {
  readonly ending: SessionEndingName;
  /** Number after the last line sent; for a terminal and for output of bytes, after the last byte. */
  readonly next: number;
  /** True if the session had a run. */
  readonly hadRun: boolean;
  /** Present if the run has ended and all its output was sent. */
  readonly record?: RunRecord | undefined;
  readonly value?: Json | undefined;
  /** Why the call was rejected. */
  readonly rejectionMessage?: string | undefined;
}

export function buildResult({ ending, next, hadRun, record, value, rejectionMessage }: SessionEnd): Result {
  if (record !== undefined) return buildRunResult(record, { ending, next, value });
  if (ending === 'detached') return { success: true, status: 'detached', next };
  const message = rejectionMessage ?? defaultMessage(ending);
  // A session that had a run leaves it running.
  return { success: false, status: hadRun ? 'detached' : 'rejected', message, next };
}

/** Returns the default message of an ending, used if no more specific one is known. */
export function defaultMessage(ending: SessionEndingName): string {
  const row = sessionEndings[ending];
  return 'message' in row ? row.message : 'unspecified error';
}

/** The message of a run whose unread input exceeded the limits. */
export function inputOverflowText(limits: Pick<Limits, 'inputBytesMax' | 'inputFileBytesMax'>): string {
  const bytes = limits.inputBytesMax + limits.inputFileBytesMax;
  return `cancelled: ${sessionEndings['input-overflow'].message}: more than ${formatSize(bytes)} are unread`;
}

function buildRunResult(
  record: RunRecord,
  { ending, next, value }: { ending: SessionEndingName; next: number; value: Json | undefined },
): Result {
  const { closeCode } = sessionEndings[ending];
  const { outcome = 'unknown', exitCode, signal, storageFailed, cleanup } = record;
  const orderly = closeCode === 1000 || closeCode === 1001;
  const success = outcome === 'succeeded' && orderly;
  const specific = orderly || ending === 'input-overflow';
  const message = (specific ? record.message : undefined) ?? (success ? undefined : defaultMessage(ending));
  return {
    success,
    status: outcome,
    ...(message !== undefined && { message }),
    ...(value !== undefined && { value }),
    ...(exitCode !== undefined && { exitCode }),
    ...(signal !== undefined && { signal }),
    ...(storageFailed === true && { storageFailed }),
    next,
    ...(cleanup !== undefined && { cleanup }),
  };
}
