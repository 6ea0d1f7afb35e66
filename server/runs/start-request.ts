// Checks requests to start a call in the documented order, derives the settings of their runs, and compares a request
// with an existing run of the same id.

import type { Call } from '../../calls/contract/call.ts';
import type { Caller } from '../../calls/contract/context.ts';
import {
  allowsDisconnect,
  type DisconnectPolicy,
  defaultDisconnect,
  formatDisconnect,
  parseDisconnect,
} from '../../calls/contract/disconnect.ts';
import type { PlannedPipeline } from '../../calls/contract/engines.ts';
import { checkParams } from '../../calls/contract/params.ts';
import type { Registry } from '../../calls/contract/registry.ts';
import { quote } from '../../calls/text/quote.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { TerminalSize } from '../../protocol/messages.ts';
import type { RunRecord } from '../../protocol/run-record.ts';
import { matchesRecorded, recordedValue } from './param-digest.ts';
import type { CallKeyLimit } from './queue.ts';
import { RunRejected } from './rejection.ts';
import type { RunSpec } from './run-spec.ts';

export interface StartRequest {
  readonly call: string;
  readonly params: readonly string[];
  readonly caller: Caller;
  /** Run id chosen by the caller. If a run with this id exists, the request must match that run. */
  readonly id?: string;
  /** `cancel`, `detach` or `grace:30s`. Absent: the default of the call. */
  readonly onDisconnect?: string;
  readonly terminal?: TerminalSize;
  /** The plan of a pipeline, if a part of the gateway has already created it from the text. */
  readonly planned?: PlannedPipeline;
}

export interface AcceptedStart {
  readonly call: Call;
  readonly params: Readonly<Record<string, string>>;
  readonly caller: Caller;
  readonly onDisconnect: DisconnectPolicy;
  readonly terminal?: TerminalSize | undefined;
  /** Not persisted. After a restart, the plan is created again from the text of the pipeline. */
  readonly planned?: PlannedPipeline | undefined;
}

export interface AcceptDeps {
  readonly registry: () => Registry;
  readonly allows: (caller: Caller, scope: string | undefined) => boolean;
  /** Returns the name of a scope for the message to a caller who lacks it. */
  readonly missingScopeMessage: (scope: string) => string;
  /** Returns the maximum size of a param that declares none. */
  readonly paramBytesMax: () => number;
}

/**
 * Checks the call, its scope, the number of params, each param, all params together, and the disconnect policy. Throws
 * RunRejected.
 */
export function acceptStart(request: StartRequest, deps: AcceptDeps): AcceptedStart {
  const { caller, terminal } = request;
  const call = findCall(request, deps);
  const checked = checkParams(call, request.params, deps.paramBytesMax());
  if (!checked.ok)
    throw checked.problem === 'count'
      ? new RunRejected('wrong-param-count', checked.detail)
      : new RunRejected('invalid-params', checked.message);
  const ownCheck = call.check?.(checked.params);
  if (ownCheck?.ok === false) throw new RunRejected('invalid-params', ownCheck.message);
  return {
    call,
    params: checked.params,
    caller,
    onDisconnect: chooseDisconnect(call, request.onDisconnect),
    terminal,
    planned: request.planned ?? ownCheck?.planned,
  };
}

/** Returns the settings of the run for an accepted request. */
export function createRunSpec(
  { call, params, caller, onDisconnect, terminal }: AcceptedStart,
  limits: Limits,
): RunSpec {
  const {
    kind,
    stop,
    scope,
    timeoutMs,
    bytes,
    stallAfterMs = limits.stallMs,
    outputBytesMax = limits.outputBytesMax,
  } = call;
  const slot = createKeyLimit(call, params);
  return {
    kind,
    params,
    caller,
    stop,
    onDisconnect,
    mayDetach: allowsDisconnect(call.onDisconnect ?? defaultDisconnect, { type: 'detach' }),
    stallAfterMs,
    outputBytesMax,
    lineBytesMax: limits.lineBytesMax,
    ...(scope !== undefined && { scope }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(slot !== undefined && { slot }),
    ...(terminal !== undefined && { terminal }),
    ...(bytes !== undefined && { bytes }),
  };
}

/** Returns the values of the params in the order of the call, as the record shows them. */
export function recordedParams(call: Call, params: Readonly<Record<string, string>>): readonly string[] {
  return call.params.map((param) => recordedValue(param, params[param.name] ?? ''));
}

/**
 * Checks that the existing run `record` matches the request. Otherwise throws RunRejected, which names the difference.
 */
export function assertSameRequest(record: RunRecord, request: StartRequest, deps: AcceptDeps): void {
  if (record.caller !== request.caller.user)
    throw new RunRejected(
      'id-taken',
      `the run id "${record.id}" belongs to another caller; choose another id, or omit it`,
    );
  const differences = [
    ...(record.call === request.call ? [] : [`of another call (${quote(record.call)})`]),
    ...(sameParams(record, request, deps) ? [] : ['with other parameters']),
  ];
  if (differences.length > 0)
    throw new RunRejected(
      'id-taken',
      `there is a run "${record.id}" already, ${differences.join(' and ')}; choose another id, or omit it`,
    );
  const call = deps.registry().get(request.call);
  if (call !== undefined) checkScope(call, request.caller, deps);
}

/**
 * A default value counts like a given one. If the call is gone or its declaration has changed, compares the given
 * values only.
 */
function sameParams(
  record: RunRecord,
  { call: name, params }: StartRequest,
  { registry, paramBytesMax }: AcceptDeps,
): boolean {
  if (matchRecorded(record.params, params)) return true;
  const call = registry().get(name);
  const checked = call === undefined ? undefined : checkParams(call, params, paramBytesMax());
  return (
    checked?.ok === true &&
    matchRecorded(
      record.params,
      call!.params.map((param) => checked.params[param.name] ?? ''),
    )
  );
}

function matchRecorded(shown: readonly string[], values: readonly string[]): boolean {
  return shown.length === values.length && shown.every((text, i) => matchesRecorded(text, values[i]!));
}

function findCall({ call: name, caller }: StartRequest, deps: AcceptDeps): Call {
  const registry = deps.registry();
  const call = registry.get(name);
  if (call === undefined) {
    const suggestion = registry.suggest(name);
    throw new RunRejected(
      'unknown-call',
      `no such call ${quote(name)}${suggestion === undefined ? '' : `; did you mean "${suggestion}"?`}`,
    );
  }
  checkScope(call, caller, deps);
  return call;
}

function checkScope({ scope }: Call, caller: Caller, { allows, missingScopeMessage }: AcceptDeps): void {
  if (scope !== undefined && !allows(caller, scope))
    throw new RunRejected('not-allowed', `failed to check scope: ${missingScopeMessage(scope)}`);
}

function chooseDisconnect(call: Call, requested: string | undefined): DisconnectPolicy {
  const rules = call.onDisconnect ?? defaultDisconnect;
  if (requested === undefined) return rules.default;
  const policy = readDisconnect(requested);
  if (allowsDisconnect(rules, policy)) return policy;
  const allowed = [...new Set([rules.default, ...rules.allow].map(formatDisconnect))].join(', ');
  throw new RunRejected(
    'invalid-disconnect',
    `${quote(call.name)} does not allow ${quote(requested)} on disconnect; it allows ${allowed}`,
  );
}

function readDisconnect(requested: string): DisconnectPolicy {
  try {
    return parseDisconnect(requested);
  } catch (error) {
    throw new RunRejected('invalid-disconnect', (error as Error).message);
  }
}

/**
 * Without `by`, all runs of the call share one key. With `by`, only runs with the same value of that param share one.
 */
function createKeyLimit(
  { name, concurrency }: Call,
  params: Readonly<Record<string, string>>,
): CallKeyLimit | undefined {
  if (concurrency === undefined) return undefined;
  const { limit, queue, by } = concurrency;
  return { key: JSON.stringify(by === undefined ? [name] : [name, params[by]]), limit, queue };
}
