// Compiles the JSON Schema of a param into a check of the string on the wire.

import { Ajv, type Options } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { compileLinearEcmaRegExp } from '../text/linear-regexp.ts';
import { quote } from '../text/quote.ts';
import { didYouMean } from '../text/suggest.ts';
import type { JsonSchema } from './call.ts';
import { addFormats, formatNames } from './formats.ts';
import { schemaErrorTexts } from './schema-message.ts';

/** Returns what is wrong with a value, as phrases that follow its name; empty if it is valid. */
export type ValueCheck = (value: string) => readonly string[];

/**
 * The values of `type` and how each of them reads the string on the wire. The value stays a string: `007` is a valid
 * integer and reaches the body as `007`.
 */
const paramTypes = {
  string: { pattern: /^/, read: (text: string): unknown => text, noun: 'a string' },
  integer: { pattern: /^[+-]?\d{1,15}$/, read: Number, noun: 'an integer' },
  number: { pattern: /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i, read: Number, noun: 'a number' },
  boolean: { pattern: /^(true|false)$/, read: (text: string): unknown => text === 'true', noun: 'true or false' },
} as const;

/** Error for an unusable schema. The message says why and what to write instead. */
class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

/** The draft of a schema without `$schema`. */
const newestDraft = 'json-schema.org/draft/2020-12/schema';
/** The validator of each draft, by its `$schema` without scheme and `#`. */
const drafts: Readonly<Record<string, (options: Options) => Ajv>> = {
  [newestDraft]: (options) => new Ajv2020(options),
  'json-schema.org/draft/2019-09/schema': (options) => new Ajv2019(options),
  'json-schema.org/draft-07/schema': (options) => new Ajv(options),
  // The validator of draft 7 also serves draft 6, because draft 7 only adds to it.
  'json-schema.org/draft-06/schema': (options) => new Ajv(options),
};

const validators = new Map<string, Ajv>();

/** Compiles a schema. An absent schema accepts any string. Throws SchemaError. */
export function compileParamSchema(schema: JsonSchema = {}): ValueCheck {
  const type = paramTypes[readParamType(schema)];
  const validate = compile(schema);
  return (value) => {
    // Arguments, variables and file names cannot contain NUL, so no body could pass the value on.
    if (value.includes('\0')) return ['must not contain a NUL character'];
    if (!type.pattern.test(value)) return [`must be ${type.noun}`];
    return validate(type.read(value)) ? [] : schemaErrorTexts(validate.errors ?? []);
  };
}

function readParamType(schema: JsonSchema): keyof typeof paramTypes {
  const type = schema['type'] ?? 'string';
  if (typeof type === 'string' && Object.hasOwn(paramTypes, type)) return type as keyof typeof paramTypes;
  throw new SchemaError(
    `type ${quote(type)} is not a parameter type; write one of ${Object.keys(paramTypes).join(', ')}`,
  );
}

function compile({ $schema = newestDraft, ...schema }: JsonSchema): ReturnType<Ajv['compile']> {
  if (schema['$async'] !== undefined) throw new SchemaError('"$async" is not supported; remove it');
  const ajv = findValidator($schema);
  try {
    return ajv.compile(schema);
  } catch (error) {
    throw new SchemaError(`invalid JSON Schema: ${explain(error as Error)}`);
  } finally {
    // Without this, ajv would keep the schemas of every configuration that was ever loaded.
    ajv.removeSchema(schema);
  }
}

function findValidator($schema: unknown): Ajv {
  const draft = String($schema).replace(/^https?:\/\/|#$/g, '');
  const create = Object.hasOwn(drafts, draft) ? drafts[draft] : undefined;
  if (create === undefined)
    throw new SchemaError(
      `$schema ${quote($schema)} is not supported; write one of ${Object.keys(drafts)
        .map((name) => `https://${name}`)
        .join(', ')}, or omit it`,
    );
  const known = validators.get(draft) ?? createValidator(create);
  validators.set(draft, known);
  return known;
}

function createValidator(create: (options: Options) => Ajv): Ajv {
  const regExp = Object.assign(compilePattern, { code: 'compilePattern' });
  const ajv = create({
    allErrors: true,
    strict: true,
    strictTypes: false,
    logger: false,
    addUsedSchema: false,
    code: { regExp },
  });
  // Compile the meta-schema before the formats are added. If it checked the format `regex`, ajv would not report why a
  // pattern is invalid.
  void ajv.validateSchema({});
  addFormats(ajv);
  // Ajv resolves anchors but does not know `$anchor` as a keyword, so in strict mode it would reject the schema.
  ajv.addVocabulary(['$anchor']);
  return ajv;
}

/**
 * Compiles a pattern that runs in linear time. `toString` returns the source, by which ajv identifies a compiled
 * pattern.
 */
function compilePattern(source: string): { readonly test: (text: string) => boolean; toString(): string } {
  try {
    return { ...compileLinearEcmaRegExp(source), toString: () => source };
  } catch (error) {
    throw new Error(`pattern ${quote(source)} cannot be used: ${(error as Error).message}`);
  }
}

function explain({ message }: Error): string {
  const unknown = /^unknown format "(.*)" ignored in schema/.exec(message)?.[1];
  if (unknown !== undefined) return `unknown format ${quote(unknown)}${didYouMean(unknown, formatNames)}`;
  return message.replace('strict mode: ', '');
}
