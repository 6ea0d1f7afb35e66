// The run as one table: in which state, on which move, where it goes next. Pure; server/runs performs it.
// docs/protocol.md shows the table; a test compares them.

import type { RunState } from './record.ts';

/**
 * `start`: there is room for it, and its work begins. `stop`: it is not to go on, whoever wants that. `end`: its work is over, what it had opened
 * is released, and its outcome is known.
 */
export const runMoves = ['start', 'stop', 'end'] as const;
export type RunMove = (typeof runMoves)[number];

/** What is not in the table does not happen. */
export const runTable: { readonly [state in RunState]: { readonly [move in RunMove]?: RunState } } = {
  // Stopped here, it never starts; it is `cancelling` until its log is closed.
  queued: { start: 'running', stop: 'cancelling', end: 'ended' },
  running: { stop: 'cancelling', end: 'ended' },
  cancelling: { end: 'ended' },
  ended: {},
};

/** Undefined when the table knows no such move. */
export function nextState(state: RunState, move: RunMove): RunState | undefined {
  return runTable[state][move];
}
