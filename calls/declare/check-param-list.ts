// Checks of a call's params that a JSON Schema cannot express.

import type { JsonSchema } from '../contract/call.ts';
import type { ValueCheck } from '../contract/param-schema.ts';
import { compileParamSchema } from '../contract/param-schema.ts';
import { sizeError } from '../contract/params.ts';
import type { KeyDiagnostic } from '../text/diagnostic.ts';
import { quote } from '../text/quote.ts';
import { parseSize } from '../text/units.ts';

interface Item {
  readonly name?: unknown;
  readonly schema?: unknown;
  readonly default?: unknown;
  readonly bytesMax?: unknown;
}

/** Returns every error in a list of params. Ignores values of the wrong type, which the schema reports. */
export function checkParamList(params: unknown): readonly KeyDiagnostic[] {
  const items = (Array.isArray(params) ? params : []).map(
    (item: unknown) => (typeof item === 'object' && item !== null ? item : {}) as Item,
  );
  return items.flatMap((item, at) => [
    ...checkName(item, at, items),
    ...checkOrder(item, at, items),
    ...checkSchema(item, at),
    ...checkSize(item, at),
  ]);
}

function checkName({ name }: Item, at: number, items: readonly Item[]): readonly KeyDiagnostic[] {
  const first = items.findIndex((other) => other.name === name);
  if (typeof name !== 'string' || first === at) return [];
  return [{ path: [at, 'name'], message: `two parameters are named ${quote(name)}; the first is number ${first + 1}` }];
}

/**
 * Reports a default before a param without one. Values have no names on the wire, so only the last ones can be omitted.
 */
function checkOrder(item: Item, at: number, items: readonly Item[]): readonly KeyDiagnostic[] {
  const later = items.slice(at + 1).find((other) => other.default === undefined);
  if (item.default === undefined || later === undefined) return [];
  const order = `${quote(item.name)} has a default but comes before ${quote(later.name)}, which has none`;
  const message = `${order}; move it to the end or give both a default`;
  return [{ path: [at, 'default'], message }];
}

function checkSchema({ schema, default: value }: Item, at: number): readonly KeyDiagnostic[] {
  if (schema !== undefined && (typeof schema !== 'object' || schema === null || Array.isArray(schema))) return [];
  const check = compileOrMessage(schema as JsonSchema | undefined);
  if (typeof check === 'string') return [{ path: [at, 'schema'], message: check }];
  const found = typeof value === 'string' ? check(value) : [];
  return found.length === 0
    ? []
    : [{ path: [at, 'default'], message: `${quote(value)} does not fit the schema: ${found.join(' and ')}` }];
}

function checkSize({ bytesMax, default: value }: Item, at: number): readonly KeyDiagnostic[] {
  if (bytesMax === undefined || typeof value !== 'string' || sizeProblem(bytesMax) !== undefined) return [];
  const message = sizeError(value, parseSize(bytesMax));
  return message === undefined ? [] : [{ path: [at, 'default'], message: `${quote(value)} ${message}` }];
}

/** Returns what is wrong with the `bytesMax` of a param; undefined if it is a size. */
export function sizeProblem(bytesMax: unknown): string | undefined {
  try {
    return parseSize(bytesMax) >= 1 ? undefined : 'must be at least 1';
  } catch (error) {
    return (error as Error).message;
  }
}

function compileOrMessage(schema: JsonSchema | undefined): ValueCheck | string {
  try {
    return compileParamSchema(schema);
  } catch (error) {
    return (error as Error).message;
  }
}
