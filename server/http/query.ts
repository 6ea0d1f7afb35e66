// Reads values of the query string, and says exactly what is wrong with them.

import { Refusal, quoted } from './refusal.ts';
import type { Query } from './route.ts';

/** The text given for `name`; undefined when it is not there. Throws a Refusal when it is there twice. */
export function queryText(query: Query, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || typeof value === 'string') return value;
  throw new Refusal('bad_request', `${name} may be given once, not ${value.length} times`);
}

export interface Whole {
  readonly min: number;
  /** Absent: no bound but that of exact numbers. */
  readonly max?: number;
  /** Used when nothing is given. */
  readonly fallback: number;
}

/** The whole number given for `name`. Throws a Refusal for anything else, naming the bounds and the value. */
export function queryWhole(query: Query, name: string, bounds: Whole): number {
  const given = queryText(query, name);
  if (given === undefined) return bounds.fallback;
  const value = /^\d{1,16}$/.test(given) ? Number(given) : NaN;
  if (value >= bounds.min && value <= (bounds.max ?? Number.MAX_SAFE_INTEGER)) return value;
  throw new Refusal('bad_request', `${name} must be a whole number from ${bounds.min}${bounds.max === undefined ? '' : ` to ${bounds.max}`}, not ${quoted(given)}`);
}
