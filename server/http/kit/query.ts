// Reads values of the query string. Each error names the parameter, its bounds and the value.

import { parseTime } from '../../../calls/text/time.ts';
import { ApiError, quoted } from './http-error.ts';
import type { Query } from './route-table.ts';

/** Returns the text of `name`; undefined if it is absent. Throws an ApiError if it occurs more than once. */
export function queryText(query: Query, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || typeof value === 'string') return value;
  throw new ApiError('bad_request', `${name} may be given once, not ${value.length} times`);
}

/** Throws an ApiError if the query has a parameter that is not among `known`. */
export function checkQueryNames(query: Query, known: readonly string[]): void {
  const unknown = Object.keys(query).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const names = known.length === 0 ? 'this path has none' : `this path has ${known.join(', ')}`;
  throw new ApiError('bad_request', `there is no query parameter ${quoted(unknown)}; ${names}`);
}

/** Returns the parameter if it is one of `values`. Throws an ApiError for any other text. */
export function queryChoice<T extends string>(query: Query, name: string, values: readonly T[]): T | undefined {
  const given = queryText(query, name);
  const value = values.find((known) => known === given);
  if (given !== undefined && value === undefined)
    throw new ApiError('bad_request', `${name} must be one of ${values.join(', ')}, not ${quoted(given)}`);
  return value;
}

/** Returns the time in UTC with milliseconds. Throws an ApiError if it is not RFC 3339. */
export function queryTime(query: Query, name: string): string | undefined {
  const given = queryText(query, name);
  const time = given === undefined ? undefined : parseTime(given);
  if (given !== undefined && time === undefined)
    throw new ApiError('bad_request', `${name} must be a time such as 2026-11-22T10:30:00Z, not ${quoted(given)}`);
  return time;
}

export interface IntegerBounds {
  readonly min: number;
  /** Default: `Number.MAX_SAFE_INTEGER`. */
  readonly max?: number;
  /** Value if the parameter is absent. */
  readonly fallback: number;
}

/**
 * Returns the whole number of `name`. Throws an ApiError for text that is no number, and for a number outside of the
 * bounds.
 */
export function queryInteger(query: Query, name: string, bounds: IntegerBounds): number {
  const given = queryText(query, name);
  if (given === undefined) return bounds.fallback;
  const value = /^\d{1,16}$/.test(given) ? Number(given) : Number.NaN;
  if (value >= bounds.min && value <= (bounds.max ?? Number.MAX_SAFE_INTEGER)) return value;
  const range = `from ${bounds.min}${bounds.max === undefined ? '' : ` to ${bounds.max}`}`;
  throw new ApiError('bad_request', `${name} must be a whole number ${range}, not ${quoted(given)}`);
}

const flags: Readonly<Record<string, boolean>> = { '': true, true: true, 1: true, false: false, 0: false };

/**
 * Returns true for `true`, `1` and an empty value, and false for `false`, `0` or an absent parameter. Throws an
 * ApiError for any other value.
 */
export function queryFlag(query: Query, name: string): boolean {
  const given = queryText(query, name);
  if (given === undefined) return false;
  if (Object.hasOwn(flags, given)) return flags[given]!;
  throw new ApiError('bad_request', `${name} must be true or false, not ${quoted(given)}`);
}
