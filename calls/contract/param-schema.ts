// One param's JSON Schema, made into a check of the string that comes over the wire.

import { Ajv } from 'ajv';
import type { JsonSchema } from './call.ts';
import { complaints } from './complaint.ts';
import { quote } from './quote.ts';

/** Returns what is wrong with a value, as sentences that begin with it; empty when nothing is. */
export type ValueCheck = (value: string) => readonly string[];

/**
 * What a schema may say as its `type`, and how the text on the wire is read for it. The param stays the text, so what a
 * body gets is what the caller wrote: `007` is a valid integer and arrives as `007`.
 */
export const paramTypes = {
  string: { pattern: /^/, read: (text: string): unknown => text, a: 'a string' },
  integer: { pattern: /^[+-]?\d{1,15}$/, read: Number, a: 'an integer' },
  number: { pattern: /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, read: Number, a: 'a number' },
  boolean: { pattern: /^(true|false)$/, read: (text: string): unknown => text === 'true', a: 'true or false' },
} as const;

/** The schema cannot be used; the message says why and what to write. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

// Schemas are dropped from the validator after compiling: it would otherwise keep those of every configuration ever read.
const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false, logger: false, addUsedSchema: false });

/** Compiles once; absent means any string. Throws SchemaError. */
export function compileParamSchema(schema: JsonSchema = {}): ValueCheck {
  const type = paramTypes[typeOf(schema)];
  const validate = compile(schema);
  return (value) => {
    // No argument, variable or file name can hold this character, so no body could pass it on.
    if (value.includes('\0')) return ['must not contain a NUL character'];
    if (!type.pattern.test(value)) return [`must be ${type.a}`];
    return validate(type.read(value)) ? [] : complaints(validate.errors ?? []);
  };
}

function typeOf(schema: JsonSchema): keyof typeof paramTypes {
  const type = schema['type'] ?? 'string';
  if (typeof type === 'string' && Object.hasOwn(paramTypes, type)) return type as keyof typeof paramTypes;
  throw new SchemaError(`type ${quote(type)} cannot be a parameter; write one of ${Object.keys(paramTypes).join(', ')}`);
}

function compile(schema: JsonSchema): ReturnType<typeof ajv.compile> {
  if (schema['$async'] !== undefined) throw new SchemaError('"$async" is not available; leave it out');
  try {
    return ajv.compile(schema);
  } catch (error) {
    throw new SchemaError(`not a usable JSON Schema: ${(error as Error).message.replace('strict mode: ', '')}`);
  } finally {
    ajv.removeSchema(schema);
  }
}
