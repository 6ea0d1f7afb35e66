// A call: a named action that a caller can start. The kinds in the parent folder create calls from distillery.yaml;
// TypeScript modules create them with defineCall.

import type { Json } from '../../protocol/run-record.ts';
import type { Context } from './context.ts';
import type { DisconnectRules } from './disconnect.ts';
import type { EngineName, Exit, PipelinePermissions, PlannedPipeline, ProcessSpec, StopPolicy } from './engines.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Param {
  /** Name of the param: `[A-Za-z_][A-Za-z0-9_-]*`. */
  readonly name: string;
  readonly summary?: string;
  /** Schema of the value. The string on the wire is checked before anything starts. */
  readonly schema?: JsonSchema;
  /** Default value, which makes the param optional. Optional params come last. */
  readonly default?: string;
  /** Maximum size of a value in UTF-8; the size of a message also limits it. Absent: the limit `paramBytesMax`. */
  readonly bytesMax?: number;
  /** How the run record shows the value: as `sha256:` with 16 hexadecimal digits, and its size. Absent: unchanged. */
  readonly recorded?: 'digest';
}

/** The directions in which a call exchanges bytes instead of lines of text. */
export type ByteDirection = 'input' | 'output';

export const callKinds = ['process', 'terminal', 'container', 'pipeline', 'code'] as const;
export type CallKind = (typeof callKinds)[number];

/** What a body returns: the exit of the work and, for code calls, a value for the caller. */
export interface CallResult extends Exit {
  readonly value?: Json;
  /** Makes the run fail with this reason, regardless of the exit code. */
  readonly failure?: string;
}

/** Limits simultaneous runs to `limit`; with `by`, for each value of that param. `queue` more runs may wait. */
export interface Concurrency {
  readonly limit: number;
  readonly by?: string;
  readonly queue: number;
}

/**
 * Deletes ended runs that are older than `ageMs`, and the oldest ended runs above the number `runs`. Removes old output
 * while the total exceeds `bytes`.
 */
export interface Retention {
  readonly ageMs?: number;
  readonly runs?: number;
  readonly bytes?: number;
}

/** Result of a call's own check of its params. */
export type ParamsCheck =
  /** `message` lists the errors, as many as fit into a limited length. Nothing is started or stored. */
  | { readonly ok: false; readonly message: string }
  /** Result of a successful check. The context of the body contains `planned`. */
  | { readonly ok: true; readonly planned?: PlannedPipeline };

/** What a call needs from the machine besides engines. Needs that depend on params are left out. */
export interface Requirements {
  /** The program that a process or terminal starts, and its limits; `argv` contains only the program. */
  readonly program?: ProcessSpec;
  /** The file of a pipeline (absolute), and what the pipeline may use. */
  readonly pipeline?: { readonly file: string; readonly allow: PipelinePermissions };
}

export interface Call {
  /** Name of the call: `[A-Za-z0-9][A-Za-z0-9._-]*`, unique in the registry. */
  readonly name: string;
  readonly summary?: string;
  readonly kind: CallKind;
  readonly params: readonly Param[];
  /** Engines that the call requires. */
  readonly needs: readonly EngineName[];
  /** Absent: the requirements are unknown. */
  readonly requires?: Requirements;
  /** Scope that the caller needs. Absent: every caller that the gateway admits may make the call. */
  readonly scope?: string;
  /** Time from start until the run is stopped with reason `timed-out`. Absent: no limit. */
  readonly timeoutMs?: number;
  readonly stop: StopPolicy;
  /** What happens when the client disconnects. Absent: `defaultDisconnect`. */
  readonly onDisconnect?: DisconnectRules;
  /** Limit for simultaneous runs of this call. Absent: only the limits of the gateway apply. */
  readonly concurrency?: Concurrency;
  /** Retention of this call's runs, in addition to the limits for all runs. */
  readonly retention?: Retention;
  /** Time without output before a run counts as stalled. Absent: the limit `stallMs`; 0: never. */
  readonly stallAfterMs?: number;
  /** Maximum number of output bytes stored for one run. Absent: the limit `outputBytesMax`. */
  readonly outputBytesMax?: number;
  /** The directions in which clients exchange bytes with the work, not lines of text. Absent: none. */
  readonly bytes?: readonly ByteDirection[];
  /** Checks params that fit their schemas, before a run is accepted. */
  check?(params: Readonly<Record<string, string>>): ParamsCheck;
  /** Performs the work and resolves when the work is done. An exit code other than 0 or a signal makes the run fail. */
  body(context: Context): Promise<CallResult>;
}
