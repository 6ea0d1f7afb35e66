// Converts binary frames that contain JSON: UTF-8 bytes to an unknown value and back.

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Parses `bytes` as JSON in UTF-8. Returns undefined for anything else, such as JSON after a byte order mark (RFC 8259,
 * section 8.1).
 */
export function decodeJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(strictDecoder.decode(bytes));
  } catch {
    return undefined;
  }
}

export function encodeJson(value: object): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify(value));
}

/**
 * Returns the fields of `value` whose keys equal one of `names` regardless of case, under the spelling in `names`. If
 * several keys match a name, the last field that is not null counts. Source: the JSON decoder of Go.
 */
export function foldKeys(value: unknown, names: readonly string[]): unknown {
  if (!isObject(value)) return value;
  const found = Object.entries(value).flatMap(([key, field]) => {
    const name = names.find((one) => isSameKey(key, one));
    return name === undefined || field === null ? [] : [[name, field] as const];
  });
  return Object.fromEntries(found);
}

// `iu` compares by simple case folding, as Go does: the long s equals s.
function isSameKey(key: string, name: string): boolean {
  return key.length === name.length && new RegExp(`^${name}$`, 'iu').test(key);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
