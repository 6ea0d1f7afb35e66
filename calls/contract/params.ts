// Checks the strings of a call message against the params of the call, before anything starts.

import { quote } from '../text/quote.ts';
import type { Call, Param } from './call.ts';
import type { ValueCheck } from './param-schema.ts';
import { compileParamSchema } from './param-schema.ts';

export type CheckedParams =
  /** Value of every param by name, defaults filled in. */
  | { readonly ok: true; readonly params: Readonly<Record<string, string>> }
  /** Too many or too few values. The protocol fixes the message; `detail` is for people. */
  | {
      readonly ok: false;
      readonly problem: 'count';
      readonly message: 'invalid number of parameters';
      readonly detail: string;
    }
  /**
   * The number is right but values are invalid: `problems` has one sentence per invalid param; `message` joins them.
   */
  | { readonly ok: false; readonly problem: 'value'; readonly message: string; readonly problems: readonly string[] };

/**
 * Checks `values` in the order of the call's params. `bytesMax` is the maximum size of a param that sets none itself.
 * Shows at most 80 characters of a value.
 */
export function checkParams(
  call: Pick<Call, 'name' | 'params'>,
  values: readonly string[],
  bytesMax: number,
): CheckedParams {
  const required = call.params.filter((param) => param.default === undefined).length;
  if (values.length < required || values.length > call.params.length) {
    return {
      ok: false,
      problem: 'count',
      message: 'invalid number of parameters',
      detail: usageText(call, values.length),
    };
  }
  const complete = call.params.map((param, at) => values[at] ?? param.default ?? '');
  const problems = valueErrors(call.params, complete, bytesMax);
  if (problems.length > 0) return { ok: false, problem: 'value', message: problems.join('; '), problems };
  return { ok: true, params: Object.fromEntries(call.params.map((param, at) => [param.name, complete[at] ?? ''])) };
}

/** Returns, for example, `greet takes 0 to 1 parameters ([who]), not 3`. */
function usageText({ name, params }: Pick<Call, 'name' | 'params'>, givenCount: number): string {
  const required = params.filter((param) => param.default === undefined).length;
  const names = params.map((param) => (param.default === undefined ? param.name : `[${param.name}]`)).join(' ');
  const shown = names === '' ? '' : ` (${names})`;
  const count = required === params.length ? `${required}` : `${required} to ${params.length}`;
  return `${name} takes ${count} parameter${count === '1' ? '' : 's'}${shown}, not ${givenCount}`;
}

function valueErrors(params: readonly Param[], values: readonly string[], bytesMax: number): readonly string[] {
  return compiledChecks(params).flatMap((check, at) => {
    const value = values[at] ?? '';
    // Check the size first: the time that a schema takes grows with the value.
    const tooLong = sizeError(value, params[at]?.bytesMax ?? bytesMax);
    const messages = tooLong === undefined ? check(value) : [tooLong];
    return messages.length === 0
      ? []
      : [`invalid parameter "${params[at]?.name}" (${quote(value)}): ${messages.join(' and ')}`];
  });
}

/** Maximum size of a UTF-16 code unit in UTF-8. */
const unitBytesMax = 3;

/** Returns the phrase for a value above `bytesMax`; undefined if it fits. */
export function sizeError(value: string, bytesMax: number): string | undefined {
  if (value.length * unitBytesMax <= bytesMax) return undefined;
  const bytes = encoder.encode(value).length;
  return bytes <= bytesMax ? undefined : `must have at most ${bytesMax} bytes, not ${bytes}`;
}

const encoder = new TextEncoder();

/** Compiled checks of each call. Compiled on first use of the call, and freed with the call. */
const compiled = new WeakMap<readonly Param[], readonly ValueCheck[]>();

function compiledChecks(params: readonly Param[]): readonly ValueCheck[] {
  const checks = compiled.get(params) ?? params.map(({ schema }) => compileParamSchema(schema));
  compiled.set(params, checks);
  return checks;
}
