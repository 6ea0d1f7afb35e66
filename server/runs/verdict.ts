// How a run ended, decided once, from what is known: why it was stopped, and what its body came to.

import type { Ending } from '../../calls/contract/call.ts';
import { formatDuration } from '../../calls/contract/units.ts';
import type { Outcome, RunRecord, StopReason } from '../../protocol/record.ts';

/** What a body came to. `fault` is our mistake; its text is for the log alone. */
export type BodyEnd =
  | { readonly type: 'returned'; readonly ending: Ending }
  | { readonly type: 'failed'; readonly message: string }
  /** It was started; its end was not seen. */
  | { readonly type: 'lost'; readonly message: string }
  | { readonly type: 'fault' }
  /** It was stopped and did not come back. */
  | { readonly type: 'abandoned' }
  /** It was stopped while it waited for its turn. */
  | { readonly type: 'never-began'; readonly waited: boolean };

export interface Stop {
  readonly reason: StopReason;
  /** In place of the reason's own text. */
  readonly message?: string;
}

export type Verdict = Pick<RunRecord, 'message' | 'exitCode' | 'signal'> & { readonly outcome: Outcome };

const texts: { readonly [reason in StopReason]: string } = {
  'cancelled': 'cancelled: client requested cancellation',
  'disconnected': 'cancelled: client disconnected',
  'timed-out': 'timed out',
  'shutdown': 'cancelled: server is shutting down',
  'protocol': 'cancelled: protocol error',
  'storage': 'the output could not be stored',
};

const stoppedAs: { readonly [reason in StopReason]: Outcome } = {
  'cancelled': 'cancelled',
  'disconnected': 'cancelled',
  'timed-out': 'timed-out',
  'shutdown': 'cancelled',
  'protocol': 'cancelled',
  'storage': 'failed',
};

/** `stop` is the first reason, if there was one before the body came to its end by itself. */
export function decide(end: BodyEnd, stop: Stop | undefined): Verdict {
  const exit = end.type === 'returned' ? exitOf(end.ending) : {};
  if (stop !== undefined) return { outcome: end.type === 'never-began' && stop.reason === 'storage' ? 'rejected' : stoppedAs[stop.reason], message: `${stop.message ?? texts[stop.reason]}${unbegun(end)}`, ...exit };
  switch (end.type) {
    case 'returned': return { ...judge(end.ending), ...exit };
    case 'failed': return { outcome: 'failed', message: end.message };
    case 'lost': return { outcome: 'unknown', message: end.message };
    case 'fault': return { outcome: 'failed', message: 'unknown error' };
    case 'abandoned': return { outcome: 'unknown', message: 'its end was not seen' };
    case 'never-began': return { outcome: 'cancelled', message: 'it was never started' };
    default: return end satisfies never;
  }
}

/** Of a run that was stopped before it was told to wait, nobody cares to know whether it was a moment before its work or after. */
function unbegun(end: BodyEnd): string {
  return end.type === 'never-began' && end.waited ? '; it had not started yet' : '';
}

export function timedOut(timeoutMs: number): Stop {
  return { reason: 'timed-out', message: `timed out after ${formatDuration(timeoutMs)}` };
}

function judge({ exitCode, signal, oomKilled, failure }: Ending): { outcome: Outcome; message?: string } {
  if (failure !== undefined) return { outcome: 'failed', message: failure };
  const memory = oomKilled ? 'out of memory: ' : '';
  if (signal !== undefined) return { outcome: 'failed', message: `${memory}ended by ${signal}` };
  if (exitCode !== undefined && exitCode !== 0) return { outcome: 'failed', message: `${memory}exited with code ${exitCode}` };
  return oomKilled ? { outcome: 'succeeded', message: 'a part of it ran out of memory and was killed' } : { outcome: 'succeeded' };
}

function exitOf({ exitCode, signal }: Ending): Pick<RunRecord, 'exitCode' | 'signal'> {
  return { ...(exitCode !== undefined && { exitCode }), ...(signal !== undefined && { signal }) };
}
