// What a body may reach for, and nothing else.

import type { Engines } from './engines.ts';
import type { Events, Input, Output } from './ports.ts';

/** Who asked. */
export interface Caller {
  /** Login name; `""` is anonymous. */
  readonly user: string;
  /** True when a bearer token authenticated the request. */
  readonly token: boolean;
  /** What they may do; `*` is everything. */
  readonly scopes: readonly string[];
}

export interface Context {
  readonly run: string;
  /** Every param of the call, defaults filled in. */
  readonly params: Readonly<Record<string, string>>;
  readonly caller: Caller;
  /** Aborted when the run is to stop; its reason is a StopReason. */
  readonly signal: AbortSignal;
  readonly input: Input;
  readonly output: Output;
  readonly events: Events;
  readonly engines: Engines;
  /** Terminal size the caller asked for, when it did. */
  readonly terminal?: { readonly cols: number; readonly rows: number };
  /** Work to be done after the body, however it ended: last in, first out, each on its own deadline, and in the receipt under `name`. */
  defer(name: string, work: () => void | Promise<void>): void;
}
