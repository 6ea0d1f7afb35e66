// Pieces of JSON Schema that the kinds have in common.

import type { JsonSchema } from './call.ts';

/** Any text that can be handed to a program. */
export const text: JsonSchema = { type: 'string', pattern: '^[^\\u0000]*$', says: 'must not contain a NUL character' };

export const words: JsonSchema = { type: 'array', items: text, minItems: 1, says: 'must name a program, with its arguments as further items' };

export const path: JsonSchema = { type: 'string', pattern: '^[^\\u0000]+$', says: 'must be a path' };

export const env: JsonSchema = {
  type: 'object',
  additionalProperties: text,
  propertyNames: { pattern: '^[^=\\u0000]+$', says: 'is not a name for a variable: it must not be empty, nor contain "="' },
};

/** Linux ids; the last one means "no change" to the system calls. */
export const numericId: JsonSchema = { type: 'integer', minimum: 0, maximum: 2 ** 32 - 2 };

/** The kernel keeps sizes in 16 bits; nobody has a wider screen than this. */
export const screenCells: JsonSchema = { type: 'integer', minimum: 1, maximum: 1_000 };
