// How a process is ended, step by step: one table for processes, one for terminals.

import type { StopPolicy, StopSignal } from '../../calls/contract/engines.ts';

export interface Step {
  /** Tells the process that there is no more input. */
  readonly endsInput: boolean;
  /** Sent to the group of the process, and to each of its kin outside of the group. `stop` is the stop signal of the call. */
  readonly signal: 'stop' | 'SIGHUP' | 'SIGKILL';
  /** Wakes kin that stopped themselves, so that they can act on the signal. SIGKILL needs no waking. */
  readonly wakes: boolean;
  /** How long to look for the end before the next step; `grace` is what is left of the call's grace. Only SIGKILL goes beyond the grace. */
  readonly waitMs: 'grace' | number;
  /** How often to look for kin born meanwhile. */
  readonly surveyMs: number;
  /** Sends the signal again at each such look. Not so the stop signal: a second one means something else to many programs. */
  readonly repeats: boolean;
}

const stop: Step = { endsInput: true, signal: 'stop', wakes: true, waitMs: 'grace', surveyMs: 250, repeats: false };
const kill: Step = { endsInput: true, signal: 'SIGKILL', wakes: false, waitMs: 10_000, surveyMs: 0, repeats: true };

export const termination = {
  process: [stop, kill],
  // An interactive shell ignores SIGTERM, but not that its terminal goes away. The two must be apart, and the second be sent
  // more than once: readline forgets signals that come while it is busy with another.
  terminal: [{ ...stop, waitMs: 100 }, { ...stop, signal: 'SIGHUP', repeats: true }, kill],
} as const satisfies Record<string, readonly Step[]>;

/** The first look after a signal comes soon, later ones less often. */
export const pollMs = { first: 3, factor: 1.5, last: 50 } as const;

/** Nothing counts as gone before this many looks in a row have found nobody: one that forks and ends may slip through a single look. */
export const clearLooks = 2;

/** The steps for one release: those before SIGKILL only where there is a grace to be had. */
export function stepsFor(kind: keyof typeof termination, policy: StopPolicy, hurried: boolean): readonly Step[] {
  const steps: readonly Step[] = termination[kind];
  return policy.signal === 'SIGKILL' || hurried ? steps.filter(({ signal }) => signal === 'SIGKILL') : steps;
}

export function signalOf({ signal }: Step, policy: StopPolicy): StopSignal {
  return signal === 'stop' ? policy.signal : signal;
}
