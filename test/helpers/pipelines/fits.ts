// Whether a value is what is expected of it: the value itself, or a pattern where it cannot be known beforehand.

/** `matches` a regular expression, somewhere; `any` value; a number that is `atLeast` or `below` another. Anything else stands for itself. */
export type Pattern = null | boolean | number | string | readonly Pattern[] | { readonly [key: string]: Pattern };

export function fits(value: unknown, pattern: Pattern): boolean {
  if (Array.isArray(pattern)) return Array.isArray(value) && value.length === pattern.length && pattern.every((one: Pattern, at) => fits(value[at], one));
  if (typeof pattern !== 'object' || pattern === null) return value === pattern;
  if ('matches' in pattern) return typeof value === 'string' && new RegExp(String(pattern['matches']), 'u').test(value);
  if ('any' in pattern) return value !== undefined;
  if ('atLeast' in pattern) return typeof value === 'number' && value >= Number(pattern['atLeast']);
  if ('below' in pattern) return typeof value === 'number' && value < Number(pattern['below']);
  return typeof value === 'object' && value !== null && hasAll(value as Readonly<Record<string, unknown>>, pattern as Readonly<Record<string, Pattern>>);
}

/** All that `expected` has, fits; there may be more. */
export function hasAll(facts: Readonly<Record<string, unknown>>, expected: Readonly<Record<string, Pattern>>): boolean {
  return Object.entries(expected).every(([key, pattern]) => fits(facts[key], pattern));
}
