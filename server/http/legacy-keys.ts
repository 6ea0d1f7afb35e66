// Renames keys to PascalCase for the older paths.

/** Maps each key to its older spelling. */
export type KeyNames = Readonly<Record<string, string>>;

/** Returns `value` with the keys of `spelling` renamed. Omits all other keys. */
export function renameKeys(value: object, spelling: KeyNames): Record<string, unknown> {
  const from = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(Object.entries(spelling).map(([key, older]) => [older, from[key]]));
}
