// The older routes spell their keys in PascalCase.

/** For each key its older spelling. */
export type Spelling = Readonly<Record<string, string>>;

/** `value` with every key of `spelling` in its older spelling; other keys are left out. */
export function respelt(value: object, spelling: Spelling): Record<string, unknown> {
  const from = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(Object.entries(spelling).map(([key, older]) => [older, from[key]]));
}
