// Types of the context of a run: everything that the body of a call can use.

import type { Engines, PlannedPipeline } from './engines.ts';
import type { Events, Input, Output } from './ports.ts';

/** The identity that made the request. */
export interface Caller {
  /** Login name; `""` is anonymous. */
  readonly user: string;
  /** True if a bearer token authenticated the request. */
  readonly token: boolean;
  /** Scopes that the caller holds; `*` grants everything. */
  readonly scopes: readonly string[];
}

export interface Context {
  readonly run: string;
  /** Value of every param by name, defaults filled in. */
  readonly params: Readonly<Record<string, string>>;
  readonly caller: Caller;
  /** Aborted when the run has to stop; its reason is a StopReason. */
  readonly signal: AbortSignal;
  readonly input: Input;
  readonly output: Output;
  readonly events: Events;
  readonly engines: Engines;
  /** For calls that run pipelines: the plan made when the run was accepted. */
  readonly planned?: PlannedPipeline;
  /** Terminal size that the caller requested, if any. */
  readonly terminal?: { readonly cols: number; readonly rows: number };
  /**
   * Registers cleanup that runs after the body, however it ended: last in, first out, each with its own deadline. The
   * receipt lists it as `name`.
   */
  defer(name: string, work: () => void | Promise<void>): void;
}
