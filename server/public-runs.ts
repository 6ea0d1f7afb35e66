// The runs that clients of the API may start and attach to: checks the API switch and hides the calls of features.

import type { Caller } from '../calls/contract/context.ts';
import { quote } from '../calls/text/quote.ts';
import { errors } from '../protocol/errors.ts';
import type { ActiveConfig } from './active-config.ts';
import { RunRejected } from './runs/rejection.ts';
import type { AttachedRun, Runs, StartRequest, StartResult } from './runs/runs.ts';
import type { RunView } from './runs/views/run-view.ts';

export interface PublicRuns {
  /** Throws RunRejected if the run cannot start or the API is switched off. `attach` does the same. */
  start(request: StartRequest): StartResult;
  attach(run: string, caller: Caller): AttachedRun;
  view(run: string): RunView;
}

export function createPublicRuns(runs: Runs, active: ActiveConfig): PublicRuns {
  // Check every request: a session can be older than the reload that switched the API off.
  const assertApiEnabled = (): void => {
    if (!active.config.http.api) throw new RunRejected('disabled', errors.not_implemented.message);
  };
  return {
    start(request) {
      assertApiEnabled();
      const { registry, all } = active.calls;
      if (registry.get(request.call) === undefined && all.get(request.call) !== undefined)
        throw new RunRejected('unknown-call', `no such call ${quote(request.call)}`);
      return runs.start(request);
    },
    attach(run, caller) {
      assertApiEnabled();
      return runs.attach(run, caller);
    },
    view: (run) => runs.view(run),
  };
}
