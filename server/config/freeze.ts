// Configuration is shared by everybody, so nobody may change it.

/** Freezes plain objects and lists all the way down, and returns the value. Objects with a class of their own are left alone. */
export function freezeDeeply<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || !isPlain(value)) return value;
  Object.freeze(value);
  Object.values(value).forEach(freezeDeeply);
  return value;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}
