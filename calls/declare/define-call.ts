// Calls in TypeScript: a module exports what defineCall returns.

import { defaultLimits } from '../../protocol/limits.ts';
import type { Call, CallResult } from '../contract/call.ts';
import type { Context } from '../contract/context.ts';
import type { EngineName, StopSignal } from '../contract/engines.ts';
import { WorkFailed } from '../contract/engines.ts';
import { omitUndefined } from '../text/omit-undefined.ts';
import { quote } from '../text/quote.ts';
import { parseDuration } from '../text/units.ts';
import { checkParamList, sizeProblem } from './check-param-list.ts';
import type { ParamDeclaration } from './declaration.ts';
import { callNameMessage, callNamePattern, paramKeys, readParams, stopKeys } from './declaration.ts';
import type { PolicyDeclaration } from './policies.ts';
import { checkPolicies, policyErrors, readPolicies } from './policies.ts';

export interface CallDefinition extends PolicyDeclaration {
  readonly name: string;
  readonly summary?: string;
  /** Params in the order of the call message. */
  readonly params?: readonly ParamDeclaration[];
  /** Engines that the call requires. If one of them is missing, the call is listed as unavailable. */
  readonly needs?: readonly EngineName[];
  readonly scope?: string;
  /** Duration such as `10m`, or milliseconds. */
  readonly timeout?: string | number;
  readonly stop?: { readonly signal?: StopSignal; readonly grace?: string | number };
  /**
   * Performs the work. Returning nothing means success; returning an engine's result passes it on. Return a value for
   * the caller as `{ value: 42 }`. Throw WorkFailed to fail with a message for the caller.
   */
  run(context: Context): Promise<CallResult | void> | CallResult | void;
}

/** A call created by `defineCall`. */
export interface DefinedCall extends Call {
  readonly kind: 'code';
  /** False if the definition declares no grace: the loader then fills in the configured one. */
  readonly declaresGrace: boolean;
}

/** Checks a definition and converts it to a call. Throws a TypeError that lists every error. */
export function defineCall(definition: CallDefinition): DefinedCall {
  const { name, summary, params = [], needs = [], scope, timeout, stop = {} } = definition;
  assertValidDefinition(definition);
  return {
    name,
    kind: 'code',
    params: readParams(params),
    needs,
    stop: {
      signal: stop.signal ?? 'SIGTERM',
      graceMs: stop.grace === undefined ? defaultLimits.graceMs : parseDuration(stop.grace),
    },
    declaresGrace: stop.grace !== undefined,
    body: async (context) => assertCallResult(name, await definition.run(context)),
    ...omitUndefined({ summary, scope, timeoutMs: timeout === undefined ? undefined : parseDuration(timeout) }),
    ...readPolicies(definition),
  };
}

function assertValidDefinition(definition: CallDefinition): void {
  const { name, params = [], stop, run } = definition;
  const messages = [
    ...(new RegExp(callNamePattern).test(name) ? [] : [`name ${quote(name)} ${callNameMessage}`]),
    ...params
      .filter((param) => !new RegExp(paramKeys.name.pattern).test(param.name))
      .map((param) => `name of parameter ${quote(param.name)} ${paramKeys.name.errorText}`),
    ...params.flatMap(({ bytesMax }, at) => {
      const problem = bytesMax === undefined ? undefined : sizeProblem(bytesMax);
      return problem === undefined ? [] : [`params[${at}].bytesMax: ${problem}`];
    }),
    ...checkParamList(params).map(({ path, message }) => `params[${path[0]}].${path.slice(1).join('.')}: ${message}`),
    ...(stop?.signal === undefined || stopKeys.signal.enum.includes(stop.signal)
      ? []
      : [`stop.signal ${quote(stop.signal)} is not one of ${stopKeys.signal.enum.join(', ')}`]),
    ...policyErrors(definition),
    ...checkPolicies(
      definition.concurrency,
      params.map((param) => param.name),
    ).map(({ path, message }) => `${path.join('.')}: ${message}`),
    ...(typeof run === 'function' ? [] : ['run must be a function']),
  ];
  if (messages.length > 0) throw new TypeError(`call ${quote(name)}: ${messages.join('; ')}`);
}

const resultKeys = new Set(['exitCode', 'signal', 'oomKilled', 'value', 'failure']);

/** Checks the result of a body at run time, because no compiler checks plain JavaScript modules. */
function assertCallResult(name: string, result: unknown): CallResult {
  if (result === undefined) return {};
  if (typeof result !== 'object' || result === null || Object.keys(result).some((key) => !resultKeys.has(key))) {
    throw new TypeError(`call "${name}" returned an invalid result; return nothing, an exit, or { value: … }`);
  }
  assertSerialisable((result as CallResult).value);
  return result;
}

function assertSerialisable(value: unknown): void {
  if (value !== undefined && !isJson(value)) throw new WorkFailed('result cannot be serialised');
}

function isJson(value: unknown): boolean {
  try {
    return JSON.stringify(value) !== undefined;
  } catch {
    return false;
  }
}
