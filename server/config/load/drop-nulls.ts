// Removes keys without a value and template keys, so that the rest of the loader sees them as absent.

import type { JsonSchema } from '../../../calls/contract/call.ts';
import { isTemplateKey } from '../../yaml/template-keys.ts';
import { isMapping } from '../loose-access.ts';
import { configSchema } from '../schema/schema.ts';

type Mapping = Readonly<Record<string, unknown>>;

/**
 * Returns the value of a file without the keys that have no value. Keeps names that the operator chose, such as the
 * name of a call. Keeps everything in a schema of a param, where null is a value. An unknown key counts as absent if
 * nothing below it has a value, or if it begins with `x-`.
 */
export function dropNulls(value: unknown): unknown {
  return value === null ? {} : withoutNulls(value, configSchema);
}

function withoutNulls(value: unknown, schema: JsonSchema): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    return isMapping(items) ? value.map((item: unknown) => withoutNulls(item, items)) : value;
  }
  return isMapping(value) ? withoutNullKeys(value, schema) : value;
}

function withoutNullKeys(mapping: Mapping, { properties, additionalProperties }: JsonSchema): Mapping {
  const known = isMapping(properties) ? properties : {};
  return Object.fromEntries(
    Object.entries(mapping).flatMap(([key, value]): [string, unknown][] => {
      const schema = Object.hasOwn(known, key) ? known[key] : additionalProperties;
      if (schema !== additionalProperties && value === null) return [];
      if (schema === false && (isTemplateKey(key) || isWithoutValue(value))) return [];
      return [[key, isMapping(schema) ? withoutNulls(value, schema) : value]];
    }),
  );
}

function isWithoutValue(value: unknown): boolean {
  if (!isMapping(value)) return value === null;
  const values = Object.values(value);
  return values.length > 0 && values.every(isWithoutValue);
}
