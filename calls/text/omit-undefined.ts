// Drops undefined fields, because optional fields in this project are absent and never undefined.

/** Returns `value` without its undefined fields. */
export function omitUndefined<T extends object>(value: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
}
