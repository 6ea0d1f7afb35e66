// Pieces of JSON Schema that several keys have in common.

import type { JsonSchema } from '../../../../calls/contract/call.ts';

export function schemaOfText(type: string | readonly string[] = 'string'): JsonSchema {
  return { type };
}

/** One text, or a list of texts. */
export function oneOrMore(item: JsonSchema = { type: 'string' }, { minItems }: { readonly minItems?: number } = {}): JsonSchema {
  return { anyOf: [item, { type: 'array', items: item, ...(minItems !== undefined && { minItems }) }] };
}

/** `5m`, or a number of seconds. */
export const durationSchema: JsonSchema = { anyOf: [{ type: 'number', minimum: 0 }, { type: 'string', pattern: '^\\s*\\d+(\\.\\d+)?(ms|s|m|h|d)\\s*$' }] };

/** `256m`, or a number of bytes. */
export const sizeSchema: JsonSchema = { anyOf: [{ type: 'number', minimum: 0 }, { type: 'string', pattern: '^\\s*\\d+(\\.\\d+)?[kKmMgG]\\s*$' }] };
