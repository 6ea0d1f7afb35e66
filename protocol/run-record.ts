// The JSON of a run wherever it appears: HTTP, websocket results and the store.

/** `queued -> running -> cancelling -> ended`. `ended` is final. */
export const runStates = ['queued', 'running', 'cancelling', 'ended'] as const;
export type RunState = (typeof runStates)[number];

/** How a run ended. A `rejected` run never started. `unknown`: the gateway did not observe the end. */
export const outcomes = ['succeeded', 'failed', 'cancelled', 'timed-out', 'rejected', 'unknown'] as const;
export type Outcome = (typeof outcomes)[number];

/** Why a run was asked to stop. The first reason counts and becomes the reason of the run's AbortSignal. */
export const stopReasons = ['cancelled', 'disconnected', 'timed-out', 'shutdown', 'protocol', 'storage'] as const;
export type StopReason = (typeof stopReasons)[number];

export type ObligationKind = 'process' | 'cgroup' | 'container' | 'network' | 'volume' | 'folder' | 'deferred';

/**
 * A released obligation, verified to be gone. `how` is the step that ended it, for example `exited`, `SIGTERM` or
 * `removed`.
 */
export interface Released {
  readonly kind: ObligationKind;
  readonly id: string;
  readonly how: string;
  readonly ms: number;
  readonly outputCut?: OutputCut;
}

/** An obligation that could not be verified to be gone, and why. */
export interface Left {
  readonly kind: ObligationKind;
  readonly id: string;
  readonly why: string;
  readonly outputCut?: OutputCut;
}

/**
 * Why output is missing. `engine`: the connection to the engine of a container broke. Otherwise the gateway stopped
 * reading the output of a process, `afterMs` after its exit. `held`: other processes held the output open and printed
 * nothing for `outputDrainMs`. `limit`: they still printed after `outputDrainMaxMs`.
 */
export type OutputCut = { readonly reason: 'held' | 'limit'; readonly afterMs: number } | { readonly reason: 'engine' };

/** What became of the run's obligations, after verification. `clean` is true if nothing is left. */
export interface Receipt {
  readonly clean: boolean;
  readonly released: readonly Released[];
  readonly left: readonly Left[];
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** One run. Unknown fields are absent. Times are RFC 3339 in UTC with milliseconds. */
export interface RunRecord {
  readonly id: string;
  readonly call: string;
  readonly params: readonly string[];
  /** Display name of the pipeline, if the file has one. */
  readonly title?: string;
  /** Login name; `""` is anonymous. */
  readonly caller: string;
  readonly node: string;
  readonly state: RunState;
  readonly outcome?: Outcome;
  readonly message?: string;
  readonly exitCode?: number;
  readonly signal?: string;
  /** True if the gateway stopped the run, or its log is incomplete, because the disk rejected a write. */
  readonly storageFailed?: true;
  readonly queuedAt: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  /**
   * Milliseconds from the start to the end, or until now while the run is active. Measured by a monotonic clock, so
   * that it is right even if the clock of the machine was changed. Absent if the run has not started, or if the gateway
   * did not observe its end.
   */
  readonly durationMs?: number;
  readonly lines: number;
  readonly bytes: number;
  readonly cleanup?: Receipt;
  /** `bytes`: the output is bytes, not lines of text. The field `bytes` and cursors then count these bytes exactly. */
  readonly output?: 'bytes';
}
