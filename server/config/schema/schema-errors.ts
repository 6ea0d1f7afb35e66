// Converts the errors of the JSON Schema validator to diagnostics: one per mistake, at the key or value that is wrong.

import type { ErrorObject } from 'ajv';
import { schemaErrorText } from '../../../calls/contract/schema-message.ts';
import type { KeyDiagnostic, KeyPath } from '../../../calls/text/diagnostic.ts';
import { quote } from '../../../calls/text/quote.ts';
import { nearest } from '../../../calls/text/suggest.ts';
import { isPlannedKey } from './planned-keys.ts';

/** Converts `errors`, which come from a validator with the options `allErrors` and `verbose`. */
export function explainSchemaErrors(errors: readonly ErrorObject[]): readonly KeyDiagnostic[] {
  const diagnostics = errors.filter(({ keyword }) => keyword !== 'propertyNames').map(explainError);
  return diagnostics.filter((one, index) => diagnostics.findIndex((other) => sameTarget(other, one)) === index);
}

/**
 * Returns true if two diagnostics concern the same value. A value of the wrong type fails other checks too, so only its
 * first diagnostic is useful.
 */
function sameTarget(a: KeyDiagnostic, b: KeyDiagnostic): boolean {
  if (a.at === 'key' || b.at === 'key') return a === b;
  return JSON.stringify(a.path) === JSON.stringify(b.path);
}

function explainError(error: ErrorObject): KeyDiagnostic {
  const path = pointerKeys(error.instancePath);
  if (error.propertyName !== undefined) {
    const message = schemaMessage(error, error.propertyName);
    return { path: [...path, error.propertyName], at: 'key', section: path, message };
  }
  switch (error.keyword) {
    case 'additionalProperties':
      return unknownKey(error, path);
    case 'required':
      return { path, at: 'key', message: `the key "${error.params['missingProperty']}" is missing` };
    case 'type':
      return { path, ...wrongType(error) };
    case 'enum':
      return { path, ...notInEnum(error) };
    case 'duration':
    case 'age':
    case 'size':
    case 'sizeOrBytes':
    case 'disconnect':
      return { path, message: schemaErrorText(error) };
    default:
      return { path, message: schemaMessage(error, error.data) };
  }
}

function pointerKeys(pointer: string): KeyPath {
  return pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((key) => (/^\d+$/.test(key) ? Number(key) : key));
}

function unknownKey({ params, parentSchema }: ErrorObject, path: KeyPath): KeyDiagnostic {
  const key = String(params['additionalProperty']);
  const known = Object.keys((parentSchema?.['properties'] ?? {}) as object);
  const target = { path: [...path, key], at: 'key', section: path } as const;
  if (isPlannedKey(path, key))
    return { ...target, message: `the key "${key}" is not available in this version`, suggestions: ['remove it'] };
  const suggestions = suggestName(key, known);
  return {
    ...target,
    message: `unknown key ${quote(key)}`,
    suggestions: suggestions.length > 0 ? suggestions : [`the keys here are ${known.join(', ')}`],
  };
}

function suggestName(name: string, known: readonly string[]): readonly string[] {
  const suggestion = nearest(name, known);
  return suggestion === undefined ? [] : [`did you mean "${suggestion}"?`];
}

const typeNames: Readonly<Record<string, string>> = {
  object: 'a mapping (key: value)',
  array: 'a list',
  string: 'a string',
  boolean: 'true or false',
  integer: 'an integer',
  number: 'a number',
  'string,object': 'a string or a mapping',
  'string,boolean': 'a string, true or false',
};

type Explanation = Pick<KeyDiagnostic, 'message' | 'suggestions'>;

function wrongType({ params, data }: ErrorObject): Explanation {
  const type = String(params['type']);
  if (type === 'string' && (typeof data === 'number' || typeof data === 'boolean'))
    return { message: `must be a string, not ${data}`, suggestions: [`put it in quotes: "${data}"`] };
  return { message: `must be ${typeNames[type] ?? type}, not ${describeValue(data)}` };
}

function describeValue(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a mapping' : quote(value);
}

function notInEnum(error: ErrorObject): Explanation {
  const allowed = (error.params['allowedValues'] as readonly unknown[]).map(String);
  return {
    message: `${schemaErrorText(error)}, not ${describeValue(error.data)}`,
    suggestions: typeof error.data === 'string' ? suggestName(error.data, allowed) : [],
  };
}

/** Returns the message that the schema defines (`errorText`), or the message of the validator. */
function schemaMessage(error: ErrorObject, value: unknown): string {
  const sentence = error.parentSchema?.['errorText'];
  return typeof sentence === 'string'
    ? `${quote(value)} ${sentence}`
    : `${schemaErrorText(error)}, not ${describeValue(value)}`;
}
