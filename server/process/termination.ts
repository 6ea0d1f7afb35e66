// Termination steps as tables: one for processes, one for terminals.

import type { StopPolicy, StopSignal } from '../../calls/contract/engines.ts';

export interface TerminationStep {
  /** True if this step ends the input of the process. */
  readonly closesInput: boolean;
  /**
   * Signal for the group of the process and for each member outside of the group. `stop` is the stop signal of the
   * call.
   */
  readonly signal: 'stop' | 'SIGHUP' | 'SIGKILL';
  /**
   * True if this step sends SIGCONT to stopped members, so that they can handle the signal. SIGKILL works without
   * SIGCONT.
   */
  readonly sendsContinue: boolean;
  /** Time before the next step; `grace` is the rest of the call's grace. Only SIGKILL may exceed the grace. */
  readonly waitMs: 'grace' | number;
  /** Time between two scans for new members. */
  readonly scanIntervalMs: number;
  /**
   * True if the signal is repeated after each scan. False for the stop signal: many programs treat a second one
   * differently.
   */
  readonly repeats: boolean;
}

const stop: TerminationStep = {
  closesInput: true,
  signal: 'stop',
  sendsContinue: true,
  waitMs: 'grace',
  scanIntervalMs: 250,
  repeats: false,
};
const kill: TerminationStep = {
  closesInput: true,
  signal: 'SIGKILL',
  sendsContinue: false,
  waitMs: 10_000,
  scanIntervalMs: 0,
  repeats: true,
};

export const termination = {
  process: [stop, kill],
  // An interactive shell ignores SIGTERM, but not SIGHUP, the hangup of its terminal. Readline forgets a signal that
  // arrives while it handles another, so a delay separates the two signals, and SIGHUP is repeated.
  terminal: [{ ...stop, waitMs: 100 }, { ...stop, signal: 'SIGHUP', repeats: true }, kill],
} as const satisfies Record<string, readonly TerminationStep[]>;

/** Delay between checks after a signal: short at first, then longer. */
export const pollMs = { first: 3, factor: 1.5, last: 50 } as const;

/**
 * Number of successive empty scans after which the obligation counts as gone. One scan can miss a process that forks
 * and exits.
 */
export const emptyScansRequired = 2;

/** Returns the steps of one release: only SIGKILL if the release is forced or SIGKILL is the stop signal. */
export function stepsFor(
  kind: keyof typeof termination,
  policy: StopPolicy,
  forced: boolean,
): readonly TerminationStep[] {
  const steps: readonly TerminationStep[] = termination[kind];
  return policy.signal === 'SIGKILL' || forced ? steps.filter(({ signal }) => signal === 'SIGKILL') : steps;
}

export function signalForStep({ signal }: TerminationStep, policy: StopPolicy): StopSignal {
  return signal === 'stop' ? policy.signal : signal;
}
