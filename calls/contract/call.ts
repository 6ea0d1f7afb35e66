// A call: a named thing that can be asked for. Kinds in this folder's parent make calls from distillery.yaml;
// TypeScript modules make them with defineCall.

import type { Json } from '../../protocol/record.ts';
import type { Context } from './context.ts';
import type { DisconnectRules } from './disconnect.ts';
import type { EngineName, Exit, StopPolicy } from './engines.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Param {
  /** `[A-Za-z_][A-Za-z0-9_-]*` */
  readonly name: string;
  readonly summary?: string;
  /** Checked against the string on the wire before anything starts. */
  readonly schema?: JsonSchema;
  /** Makes the param optional; only the last params may be. */
  readonly default?: string;
  /** What records show in place of the value: `sha256:` with 16 hexadecimal digits, and its size. Absent: the value. */
  readonly recorded?: 'digest';
}

export const callKinds = ['process', 'terminal', 'container', 'pipeline', 'code'] as const;
export type CallKind = (typeof callKinds)[number];

/** What a body hands back: how the work exited, and, of code calls, a value for the caller. */
export interface Ending extends Exit {
  readonly value?: Json;
  /** The work failed for this reason, whatever its exit code is. */
  readonly failure?: string;
}

/** At most `limit` runs at once, of those that have the same value of the param `by` when there is one; `queue` more may wait. */
export interface Concurrency {
  readonly limit: number;
  readonly by?: string;
  readonly queue: number;
}

/** Ended runs are forgotten when they are older than `ageMs` or more than `runs`; old output is removed while all of it is more than `bytes`. */
export interface Retention {
  readonly ageMs?: number;
  readonly runs?: number;
  readonly bytes?: number;
}

export interface Call {
  /** `[A-Za-z0-9][A-Za-z0-9._-]*`, unique in the registry. */
  readonly name: string;
  readonly summary?: string;
  readonly kind: CallKind;
  readonly params: readonly Param[];
  /** Engines without which the call cannot work. */
  readonly needs: readonly EngineName[];
  /** Who may call it; absent means anybody whom the gateway lets in. */
  readonly scope?: string;
  /** From start to the stop reason `timed-out`. Absent: no bound. */
  readonly timeoutMs?: number;
  readonly stop: StopPolicy;
  /** Absent: `usualDisconnect`. */
  readonly onDisconnect?: DisconnectRules;
  /** Absent: as many runs of it as the gateway takes. */
  readonly concurrency?: Concurrency;
  /** What is kept of its runs, beside the bounds over all runs. */
  readonly retention?: Retention;
  /** Silence after which a run of it counts as stalled. Absent: the limit `stallMs`; 0: never. */
  readonly stallAfterMs?: number;
  /** Output kept of one run. Absent: the limit `outputBytesMax`. */
  readonly outputBytesMax?: number;
  /** What is wrong with params that fit their schemas, for the caller to read: every mistake, in bounded length. Then nothing is started or stored. */
  check?(params: Readonly<Record<string, string>>): string | undefined;
  /** Returns when the work is done; an exit code other than 0 or a signal makes the run fail. */
  body(context: Context): Promise<Ending>;
}
