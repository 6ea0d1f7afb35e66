// JSON Schemas that several call kinds share.

import type { JsonSchema } from '../contract/call.ts';

/** Any string that a program can receive. */
export const stringSchema: JsonSchema = {
  type: 'string',
  pattern: '^[^\\u0000]*$',
  errorText: 'must not contain a NUL character',
};

export const argvSchema: JsonSchema = {
  type: 'array',
  items: stringSchema,
  minItems: 1,
  errorText: 'must be a list: the program, followed by its arguments',
};

export const pathSchema: JsonSchema = { type: 'string', pattern: '^[^\\u0000]+$', errorText: 'must be a path' };

export const envSchema: JsonSchema = {
  type: 'object',
  additionalProperties: stringSchema,
  propertyNames: {
    pattern: '^[^=\\u0000]+$',
    errorText: 'is not a valid variable name: it must not be empty or contain "="',
  },
};

/**
 * Schema of a user or group id. The largest 32-bit number is excluded, because it means "no change" in system calls.
 */
export const numericIdSchema: JsonSchema = { type: 'integer', minimum: 0, maximum: 2 ** 32 - 2 };

/** Schema of a number of columns or rows. The kernel stores 16 bits, but no real screen exceeds this maximum. */
export const screenCellsSchema: JsonSchema = { type: 'integer', minimum: 1, maximum: 1_000 };
