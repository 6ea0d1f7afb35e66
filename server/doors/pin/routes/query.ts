// Reads values of the query string, and says exactly what is wrong with them.

import { PinRefusal } from '../refusal.ts';

/** `true` and `1`, or `false` and `0`; false when it is not there. Throws a PinRefusal for anything else. */
export function flag(query: URLSearchParams, name: string): boolean {
  const given = query.get(name);
  switch (given) {
    case null: case 'false': case '0': return false;
    case '': case 'true': case '1': return true;
    default: throw new PinRefusal('invalid_request', `${name} must be true or false, not ${shown(given)}`);
  }
}

export interface Whole {
  readonly max: number;
  /** Used when nothing is given. */
  readonly fallback: number;
}

/** A whole number from 1. Throws a PinRefusal for anything else. */
export function whole(query: URLSearchParams, name: string, { max, fallback }: Whole): number {
  const given = query.get(name);
  if (given === null) return fallback;
  const value = /^\d{1,9}$/.test(given) ? Number(given) : NaN;
  if (value >= 1 && value <= max) return value;
  throw new PinRefusal('invalid_request', `${name} must be a whole number from 1 to ${max}, not ${shown(given)}`);
}

function shown(value: string): string {
  return JSON.stringify(value.slice(0, 100));
}
