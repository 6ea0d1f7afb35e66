// Template keys: a key that begins with `x-` holds values for aliases and merge keys, and means nothing itself.

/** True for a key such as `x-defaults`. Compose files name such keys in the same way. */
export function isTemplateKey(key: string): boolean {
  return /^x-/i.test(key);
}
