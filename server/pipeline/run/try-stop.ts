// When one try of a job is to be given up: the run is to stop, something else went wrong, or its time is over.

import { WorkFailed } from '../../../calls/contract/engines.ts';

export interface TryStop {
  /** Aborted for any of the reasons. */
  readonly signal: AbortSignal;
  readonly timedOut: boolean;
  /** Throws when it is to be given up. What it throws is for nobody: whoever gave it up knows why. */
  check(): void;
  /** Stops the clock. */
  close(): void;
}

export function createTryStop(outer: AbortSignal, timeoutMs: number | undefined): TryStop {
  const late = new AbortController();
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => late.abort(), timeoutMs);
  const signal = timeoutMs === undefined ? outer : AbortSignal.any([outer, late.signal]);
  return {
    signal,
    get timedOut() { return late.signal.aborted && !outer.aborted; },
    check: () => { if (signal.aborted) throw new WorkFailed('it was stopped'); },
    close: () => clearTimeout(timer),
  };
}
