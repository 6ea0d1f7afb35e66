// Compares a value with an expected value, or with a pattern if the exact value is unknown.

/**
 * A value that `matches` a regular expression, `any` value, or a number that is `atLeast` or `below` another. Other
 * values match themselves.
 */
export type Pattern = null | boolean | number | string | readonly Pattern[] | { readonly [key: string]: Pattern };

export function matchesPattern(value: unknown, pattern: Pattern): boolean {
  if (Array.isArray(pattern))
    return (
      Array.isArray(value) &&
      value.length === pattern.length &&
      pattern.every((one: Pattern, at) => matchesPattern(value[at], one))
    );
  if (typeof pattern !== 'object' || pattern === null) return value === pattern;
  if ('matches' in pattern) return typeof value === 'string' && new RegExp(String(pattern['matches']), 'u').test(value);
  if ('any' in pattern) return value !== undefined;
  if ('atLeast' in pattern) return typeof value === 'number' && value >= Number(pattern['atLeast']);
  if ('below' in pattern) return typeof value === 'number' && value < Number(pattern['below']);
  return (
    typeof value === 'object' &&
    value !== null &&
    matchesFields(value as Readonly<Record<string, unknown>>, pattern as Readonly<Record<string, Pattern>>)
  );
}

/** Returns true if every expected field matches. The value may have more fields. */
export function matchesFields(
  facts: Readonly<Record<string, unknown>>,
  expected: Readonly<Record<string, Pattern>>,
): boolean {
  return Object.entries(expected).every(([key, pattern]) => matchesPattern(facts[key], pattern));
}
