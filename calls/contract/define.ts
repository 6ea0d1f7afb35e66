// Calls written in TypeScript: a module exports what defineCall returns.

import { defaultLimits } from '../../protocol/limits.ts';
import type { Call, Ending, Param } from './call.ts';
import type { Context } from './context.ts';
import { callNamePattern, callNameSays, paramKeys, stopKeys } from './declaration.ts';
import { WorkFailed } from './engines.ts';
import type { EngineName, StopSignal } from './engines.ts';
import { paramListProblems } from './param-list.ts';
import { policyMistakes, policyProblems, readPolicies } from './policies.ts';
import type { PolicyDeclaration } from './policies.ts';
import { present } from './present.ts';
import { quote } from './quote.ts';
import { parseDuration } from './units.ts';

export interface CallDefinition extends PolicyDeclaration {
  readonly name: string;
  readonly summary?: string;
  /** In their order on the wire. */
  readonly params?: readonly Param[];
  /** Engines without which the call cannot work; it is then told as not available. */
  readonly needs?: readonly EngineName[];
  readonly scope?: string;
  /** `10m`, or milliseconds. */
  readonly timeout?: string | number;
  readonly stop?: { readonly signal?: StopSignal; readonly grace?: string | number };
  /**
   * The work. Nothing returned: it succeeded. What an engine returned may be returned as it is, and decides. A value for the
   * caller goes under `value`: `{ value: 42 }`. Throw WorkFailed to fail with a message the caller reads.
   */
  run(context: Context): Promise<Ending | void> | Ending | void;
}

/** A call made by `defineCall`. */
export interface DefinedCall extends Call {
  readonly kind: 'code';
  /** False: whoever loads the call fills in the configured grace. */
  readonly ownGrace: boolean;
}

/** Checks a definition and makes it a call. Throws with every mistake in it. */
export function defineCall(definition: CallDefinition): DefinedCall {
  const { name, summary, params = [], needs = [], scope, timeout, stop = {} } = definition;
  refuseMistakes(definition);
  return {
    name,
    kind: 'code',
    params,
    needs,
    stop: { signal: stop.signal ?? 'SIGTERM', graceMs: stop.grace === undefined ? defaultLimits.graceMs : parseDuration(stop.grace) },
    ownGrace: stop.grace !== undefined,
    body: async (context) => checkedEnding(name, await definition.run(context)),
    ...present({ summary, scope, timeoutMs: timeout === undefined ? undefined : parseDuration(timeout) }),
    ...readPolicies(definition),
  };
}

function refuseMistakes(definition: CallDefinition): void {
  const { name, params = [], stop, run } = definition;
  const mistakes = [
    ...(new RegExp(callNamePattern).test(name) ? [] : [`name ${quote(name)} ${callNameSays}`]),
    ...params.filter((param) => !new RegExp(paramKeys.name.pattern).test(param.name)).map((param) => `name of parameter ${quote(param.name)} ${paramKeys.name.says}`),
    ...paramListProblems(params).map(({ path, message }) => `params[${path[0]}].${path.slice(1).join('.')}: ${message}`),
    ...(stop?.signal === undefined || stopKeys.signal.enum.includes(stop.signal) ? [] : [`stop.signal ${quote(stop.signal)} is not one of ${stopKeys.signal.enum.join(', ')}`]),
    ...policyMistakes(definition),
    ...policyProblems(definition.concurrency, params.map((param) => param.name)).map(({ path, message }) => `${path.join('.')}: ${message}`),
    ...(typeof run === 'function' ? [] : ['run must be a function']),
  ];
  if (mistakes.length > 0) throw new TypeError(`call ${quote(name)}: ${mistakes.join('; ')}`);
}

const endingKeys = new Set(['exitCode', 'signal', 'oomKilled', 'value', 'failure']);

/** Authors of plain JavaScript have no compiler to tell them. */
function checkedEnding(name: string, ending: unknown): Ending {
  if (ending === undefined) return {};
  if (typeof ending !== 'object' || ending === null || Object.keys(ending).some((key) => !endingKeys.has(key))) {
    throw new TypeError(`call "${name}" returned something else than nothing, an exit, or { value: … }`);
  }
  refuseUnserialisable((ending as Ending).value);
  return ending;
}

function refuseUnserialisable(value: unknown): void {
  if (value !== undefined && !isJson(value)) throw new WorkFailed('result cannot be serialised');
}

function isJson(value: unknown): boolean {
  try {
    return JSON.stringify(value) !== undefined;
  } catch {
    return false;
  }
}
