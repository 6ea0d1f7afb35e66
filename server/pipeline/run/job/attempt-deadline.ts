// The signal that ends an attempt of a job early: the timeout expires, one of its services fails, or the run ends all
// attempts, because it is stopping or could not observe the end of another job.

import { WorkFailed } from '../../../../calls/contract/engines.ts';

export interface AttemptDeadline {
  /** Aborted when the attempt must end early, for any reason. */
  readonly signal: AbortSignal;
  readonly timedOut: boolean;
  /** The error of `fail`, if that ended the attempt. */
  readonly failure: WorkFailed | undefined;
  /** Ends the attempt with an error. Has no effect if the attempt is already ending or `close` was called. */
  fail(error: WorkFailed): void;
  /**
   * Throws WorkFailed if the attempt must end. Clients do not receive this error: the result of the attempt names the
   * reason of its end instead.
   */
  throwIfStopped(): void;
  /** From now on, `fail` and the timeout have no effect. */
  close(): void;
}

export function createAttemptDeadline(outer: AbortSignal, timeoutMs: number | undefined): AttemptDeadline {
  const early = new AbortController();
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => early.abort(timedOut), timeoutMs);
  const signal = AbortSignal.any([outer, early.signal]);
  let isClosed = false;
  return {
    signal,
    get timedOut() {
      return signal.reason === timedOut;
    },
    get failure() {
      return signal.reason instanceof WorkFailed ? signal.reason : undefined;
    },
    fail: (error) => {
      if (!isClosed) early.abort(error);
    },
    throwIfStopped: () => {
      if (signal.aborted) throw new WorkFailed('the attempt was stopped');
    },
    close: () => {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}

const timedOut = Symbol('timed out');
