// JSON Schema fragments that several keys share.

import type { JsonSchema } from '../../../../calls/contract/call.ts';

export function schemaOfType(type: string | readonly string[] = 'string'): JsonSchema {
  return { type };
}

/** One string, or a list of strings. */
export function oneOrMore(
  item: JsonSchema = { type: 'string' },
  { minItems }: { readonly minItems?: number } = {},
): JsonSchema {
  return { anyOf: [item, { type: 'array', items: item, ...(minItems !== undefined && { minItems }) }] };
}

/** A duration: `5m`, or a number of seconds. */
export const durationSchema: JsonSchema = {
  anyOf: [
    { type: 'number', minimum: 0 },
    { type: 'string', pattern: '^\\s*\\d+(\\.\\d+)?(ms|s|m|h|d)\\s*$' },
  ],
};

/** A size: `256m`, or a number of bytes. */
export const sizeSchema: JsonSchema = {
  anyOf: [
    { type: 'number', minimum: 0 },
    { type: 'string', pattern: '^\\s*\\d+(\\.\\d+)?[kKmMgG]\\s*$' },
  ],
};
