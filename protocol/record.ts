// What is known about a run, as JSON everywhere it is told: HTTP, websocket results, the store.

/** `queued -> running -> cancelling -> ended`; a run that is over never leaves `ended`. */
export const runStates = ['queued', 'running', 'cancelling', 'ended'] as const;
export type RunState = (typeof runStates)[number];

/** How a run ended. `rejected` never started; `unknown` means the gateway lost sight of it and will not guess. */
export const outcomes = ['succeeded', 'failed', 'cancelled', 'timed-out', 'rejected', 'unknown'] as const;
export type Outcome = (typeof outcomes)[number];

/** Why a run was asked to stop. The first reason wins and is the reason of the run's AbortSignal. */
export const stopReasons = ['cancelled', 'disconnected', 'timed-out', 'shutdown', 'protocol', 'storage'] as const;
export type StopReason = (typeof stopReasons)[number];

export type ObligationKind = 'process' | 'container' | 'network' | 'volume' | 'folder' | 'deferred';

/** Something the run opened that is verified to be gone: `how` is the step that did it, e.g. `exited`, `SIGTERM`, `removed`. */
export interface Released {
  readonly kind: ObligationKind;
  readonly id: string;
  readonly how: string;
  readonly ms: number;
}

/** Something that could not be verified to be gone, and why. */
export interface Left {
  readonly kind: ObligationKind;
  readonly id: string;
  readonly why: string;
}

/** The verified account of a run's obligations. `clean` is true when nothing is left. */
export interface Receipt {
  readonly clean: boolean;
  readonly released: readonly Released[];
  readonly left: readonly Left[];
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** One run. Fields are absent while unknown. Times are RFC 3339 in UTC with milliseconds. */
export interface RunRecord {
  readonly id: string;
  readonly call: string;
  readonly params: readonly string[];
  /** Login name; `""` is anonymous. */
  readonly caller: string;
  readonly node: string;
  readonly state: RunState;
  readonly outcome?: Outcome;
  readonly message?: string;
  readonly exitCode?: number;
  readonly signal?: string;
  readonly queuedAt: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly lines: number;
  readonly bytes: number;
  readonly cleanup?: Receipt;
}
