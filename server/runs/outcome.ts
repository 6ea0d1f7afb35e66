// Decides the outcome of a run from the reason of its stop, if any, and the result of its body.

import type { CallResult } from '../../calls/contract/call.ts';
import { formatDuration } from '../../calls/text/units.ts';
import type { Outcome, RunRecord, StopReason } from '../../protocol/run-record.ts';

/** How the body of a call ended. `fault` is an error of the gateway; its text goes only to the log. */
export type BodyResult =
  | { readonly type: 'returned'; readonly result: CallResult }
  | { readonly type: 'failed'; readonly message: string }
  /** The work started, but its exit status is unknown. */
  | { readonly type: 'lost'; readonly message: string }
  | { readonly type: 'fault' }
  /** The body was stopped and did not return. */
  | { readonly type: 'abandoned' }
  /** The run was stopped while it was queued. */
  | { readonly type: 'never-started'; readonly wasQueued: boolean };

export interface StopRequest {
  readonly reason: StopReason;
  /** Replaces the default message of the reason. */
  readonly message?: string;
}

export interface RunOutcome extends Pick<RunRecord, 'message' | 'exitCode' | 'signal' | 'storageFailed'> {
  readonly outcome: Outcome;
}

const stopMessages: { readonly [reason in StopReason]: string } = {
  cancelled: 'cancelled: client requested cancellation',
  disconnected: 'cancelled: client disconnected',
  'timed-out': 'timed out',
  shutdown: 'cancelled: server is shutting down',
  protocol: 'cancelled: protocol error',
  storage: 'the output could not be stored',
};

const outcomeByReason: { readonly [reason in StopReason]: Outcome } = {
  cancelled: 'cancelled',
  disconnected: 'cancelled',
  'timed-out': 'timed-out',
  shutdown: 'cancelled',
  protocol: 'cancelled',
  storage: 'failed',
};

/**
 * `stop` is the first reason to stop; undefined if the body returned before any request to stop. `logFailure` is set if
 * the log could not be stored. The message always contains `logFailure`, but it decides the outcome only if `stop` is
 * undefined.
 */
export function decideOutcome(end: BodyResult, stop: StopRequest | undefined, logFailure?: StopRequest): RunOutcome {
  if (logFailure !== undefined && logFailure !== stop) return decideOutcome(end, addFailure(stop, logFailure));
  const exit = end.type === 'returned' ? exitFields(end.result) : {};
  if (stop !== undefined)
    return {
      outcome: end.type === 'never-started' && stop.reason === 'storage' ? 'rejected' : outcomeByReason[stop.reason],
      message: `${readMessage(stop)}${notStartedSuffix(end)}`,
      ...exit,
      ...(stop.reason === 'storage' && { storageFailed: true }),
    };
  switch (end.type) {
    case 'returned':
      return { ...classifyResult(end.result), ...exit };
    case 'failed':
      return { outcome: 'failed', message: end.message };
    case 'lost':
      return { outcome: 'unknown', message: end.message };
    case 'fault':
      return { outcome: 'failed', message: 'unknown error' };
    case 'abandoned':
      return { outcome: 'unknown', message: 'exit status unknown' };
    case 'never-started':
      return { outcome: 'cancelled', message: 'never started' };
    default:
      return end satisfies never;
  }
}

function addFailure(stop: StopRequest | undefined, logFailure: StopRequest): StopRequest {
  return stop === undefined
    ? logFailure
    : { reason: stop.reason, message: `${readMessage(stop)}; ${readMessage(logFailure)}` };
}

function readMessage({ reason, message }: StopRequest): string {
  return message ?? stopMessages[reason];
}

/**
 * Returns a suffix only for runs that were announced as queued. For others, the caller does not care whether the stop
 * came just before or after the start.
 */
function notStartedSuffix(end: BodyResult): string {
  return end.type === 'never-started' && end.wasQueued ? '; it had not started yet' : '';
}

export function timeoutRequest(timeoutMs: number): StopRequest {
  return { reason: 'timed-out', message: `timed out after ${formatDuration(timeoutMs)}` };
}

function classifyResult({ exitCode, signal, oomKilled, failure }: CallResult): { outcome: Outcome; message?: string } {
  if (failure !== undefined) return { outcome: 'failed', message: failure };
  const memory = oomKilled ? 'out of memory: ' : '';
  if (signal !== undefined) return { outcome: 'failed', message: `${memory}ended by ${signal}` };
  if (exitCode !== undefined && exitCode !== 0)
    return { outcome: 'failed', message: `${memory}exited with code ${exitCode}` };
  return oomKilled
    ? { outcome: 'succeeded', message: 'part of the work ran out of memory and was killed' }
    : { outcome: 'succeeded' };
}

function exitFields({ exitCode, signal }: CallResult): Pick<RunRecord, 'exitCode' | 'signal'> {
  return { ...(exitCode !== undefined && { exitCode }), ...(signal !== undefined && { signal }) };
}
