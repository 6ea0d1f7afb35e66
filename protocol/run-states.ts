// The state machine of a run as one table. Pure: server/runs applies it. docs/protocol.md shows the table; a test
// compares them.

import type { RunState } from './run-record.ts';

/**
 * `start`: capacity is free and the work begins. `stop`: a request or the gateway stops the run. `end`: the work is
 * over, its obligations are released and the outcome is known.
 */
export const runTransitions = ['start', 'stop', 'end'] as const;
export type RunTransition = (typeof runTransitions)[number];

/** States by transition. The run ignores a transition that is not in this table. */
export const runTable: { readonly [state in RunState]: { readonly [move in RunTransition]?: RunState } } = {
  // A run that is stopped while it is queued never starts. Its state is `cancelling` until its log is closed.
  queued: { start: 'running', stop: 'cancelling', end: 'ended' },
  running: { stop: 'cancelling', end: 'ended' },
  cancelling: { end: 'ended' },
  ended: {},
};

/** Returns the state after a transition; undefined if the table has no such transition. */
export function nextState(state: RunState, transition: RunTransition): RunState | undefined {
  return runTable[state][transition];
}
