// Whether a call can be started as asked, in the documented order, and whether one that is asked for again is the run there is.

import type { Call } from '../../calls/contract/call.ts';
import type { Caller } from '../../calls/contract/context.ts';
import { allowsDisconnect, formatDisconnect, parseDisconnect, usualDisconnect, type DisconnectPolicy } from '../../calls/contract/disconnect.ts';
import { checkParams } from '../../calls/contract/params.ts';
import { quote } from '../../calls/contract/quote.ts';
import type { Registry } from '../../calls/contract/registry.ts';
import type { TerminalSize } from '../../protocol/messages.ts';
import type { RunRecord } from '../../protocol/record.ts';
import type { Accepted } from './facts.ts';
import { isRecorded, recorded } from './recorded.ts';
import { Refusal } from './refusal.ts';

export interface StartRequest {
  readonly call: string;
  readonly params: readonly string[];
  readonly caller: Caller;
  /** Chosen by the caller. When there is such a run already, it is the one meant, or the request is refused. */
  readonly id?: string;
  /** `cancel`, `detach` or `grace:30s`; absent: what the call's author wants. */
  readonly onDisconnect?: string;
  readonly terminal?: TerminalSize;
}

export interface AcceptParts {
  readonly registry: () => Registry;
  readonly allows: (caller: Caller, scope: string | undefined) => boolean;
  /** What a caller without the scope is told. */
  readonly scopeText: (scope: string) => string;
}

/** Checks that the call exists, its scope, the number of params, the params one by one and together, and what is to become of it. Throws Refusal. */
export function accept(request: StartRequest, parts: AcceptParts): Accepted {
  const { caller, terminal } = request;
  const call = find(request, parts);
  const checked = checkParams(call, request.params);
  if (!checked.ok) throw new Refusal(checked.problem === 'count' ? 'wrong-params' : 'refused', checked.problem === 'count' ? checked.detail : checked.message);
  const wrong = call.check?.(checked.params);
  if (wrong !== undefined) throw new Refusal('refused', wrong);
  return { call, params: checked.params, caller, onDisconnect: choose(call, request.onDisconnect), terminal };
}

/** Values of the params in the order of the call, as a record has them. */
export function listed(call: Call, params: Readonly<Record<string, string>>): readonly string[] {
  return call.params.map((param) => recorded(param, params[param.name] ?? ''));
}

/** The run `record` has the id that was asked for. Throws Refusal, which names what differs, when it is not what was asked for. */
export function expectSame(record: RunRecord, request: StartRequest, parts: AcceptParts): void {
  if (record.caller !== request.caller.user) throw new Refusal('refused', `the run id "${record.id}" is taken by somebody else; choose another, or none`);
  const differs = [
    ...(record.call === request.call ? [] : [`of another call (${quote(record.call)})`]),
    ...(sameParams(record, request, parts) ? [] : ['with other parameters']),
  ];
  if (differs.length > 0) throw new Refusal('refused', `there is a run "${record.id}" already, ${differs.join(' and ')}; choose another id, or none`);
  const call = parts.registry().get(request.call);
  if (call !== undefined) checkScope(call, request.caller, parts);
}

/** Defaults count as if they had been written. The call may have gone or changed since, and then the params are compared as they were given. */
function sameParams(record: RunRecord, { call: name, params }: StartRequest, { registry }: AcceptParts): boolean {
  if (isSame(record.params, params)) return true;
  const call = registry().get(name);
  const checked = call === undefined ? undefined : checkParams(call, params);
  return checked?.ok === true && isSame(record.params, call!.params.map((param) => checked.params[param.name] ?? ''));
}

function isSame(shown: readonly string[], values: readonly string[]): boolean {
  return shown.length === values.length && shown.every((text, i) => isRecorded(text, values[i]!));
}

function find({ call: name, caller }: StartRequest, parts: AcceptParts): Call {
  const registry = parts.registry();
  const call = registry.get(name);
  if (call === undefined) {
    const near = registry.suggest(name);
    throw new Refusal('unknown-call', `no such call ${quote(name)}${near === undefined ? '' : `; did you mean "${near}"?`}`);
  }
  checkScope(call, caller, parts);
  return call;
}

function checkScope({ scope }: Call, caller: Caller, { allows, scopeText }: AcceptParts): void {
  if (scope !== undefined && !allows(caller, scope)) throw new Refusal('scope', `failed to check scope: ${scopeText(scope)}`);
}

function choose(call: Call, wanted: string | undefined): DisconnectPolicy {
  const rules = call.onDisconnect ?? usualDisconnect;
  if (wanted === undefined) return rules.default;
  const policy = read(wanted);
  if (allowsDisconnect(rules, policy)) return policy;
  const allowed = [...new Set([rules.default, ...rules.allow].map(formatDisconnect))].join(', ');
  throw new Refusal('refused', `${quote(call.name)} does not allow ${quote(wanted)} on disconnect; it allows ${allowed}`);
}

function read(wanted: string): DisconnectPolicy {
  try {
    return parseDisconnect(wanted);
  } catch (error) {
    throw new Refusal('refused', (error as Error).message);
  }
}
