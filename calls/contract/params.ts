// The strings of a call message, checked against the params of the call, before anything starts.

import type { Call, Param } from './call.ts';
import { compileParamSchema } from './param-schema.ts';
import type { ValueCheck } from './param-schema.ts';
import { quote } from './quote.ts';

export type CheckedParams =
  /** Every param by name, defaults filled in. */
  | { readonly ok: true; readonly params: Readonly<Record<string, string>> }
  /** Too many or too few. The message is fixed by the protocol; `detail` is for people. */
  | { readonly ok: false; readonly problem: 'count'; readonly message: 'invalid number of parameters'; readonly detail: string }
  /** Right in number, wrong in content: every such param has its sentence in `problems`; `message` is all of them. */
  | { readonly ok: false; readonly problem: 'value'; readonly message: string; readonly problems: readonly string[] };

/** Checks `values`, in the order of the call's params. Never shows more than 80 characters of a value. */
export function checkParams(call: Pick<Call, 'name' | 'params'>, values: readonly string[]): CheckedParams {
  const required = call.params.filter((param) => param.default === undefined).length;
  if (values.length < required || values.length > call.params.length) {
    return { ok: false, problem: 'count', message: 'invalid number of parameters', detail: usage(call, values.length) };
  }
  const complete = call.params.map((param, at) => values[at] ?? param.default ?? '');
  const problems = valueProblems(call.params, complete);
  if (problems.length > 0) return { ok: false, problem: 'value', message: problems.join('; '), problems };
  return { ok: true, params: Object.fromEntries(call.params.map((param, at) => [param.name, complete[at] ?? ''])) };
}

/** `greet takes 0 to 1 parameters ([who]), not 3`. */
function usage({ name, params }: Pick<Call, 'name' | 'params'>, given: number): string {
  const required = params.filter((param) => param.default === undefined).length;
  const names = params.map((param) => (param.default === undefined ? param.name : `[${param.name}]`)).join(' ');
  const count = required === params.length ? `${required}` : `${required} to ${params.length}`;
  return `${name} takes ${count} parameter${count === '1' ? '' : 's'}${names === '' ? '' : ` (${names})`}, not ${given}`;
}

function valueProblems(params: readonly Param[], values: readonly string[]): readonly string[] {
  return checksOf(params).flatMap((check, at) => {
    const value = values[at] ?? '';
    const found = check(value);
    return found.length === 0 ? [] : [`invalid parameter "${params[at]?.name}" (${quote(value)}): ${found.join(' and ')}`];
  });
}

/** Compiled at the first use of a call, for as long as the call is in use. */
const compiled = new WeakMap<readonly Param[], readonly ValueCheck[]>();

function checksOf(params: readonly Param[]): readonly ValueCheck[] {
  const checks = compiled.get(params) ?? params.map(({ schema }) => compileParamSchema(schema));
  compiled.set(params, checks);
  return checks;
}
