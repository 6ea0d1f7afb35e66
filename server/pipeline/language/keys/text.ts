// A key whose value is one text.

import { schemaOfText } from './schemas.ts';
import type { TextValue } from '../../../support/yaml/values.ts';
import { wrong, wrongType, type Field, type Key } from '../field.ts';
import { inQuotes } from '../ways.ts';

export interface TextRule {
  /** Says what is wrong with the text, and where in it. */
  readonly check?: (text: string) => { readonly message: string; readonly suggestions?: readonly string[] } | undefined;
  readonly pattern?: string;
}

export function textKey(summary: string, { check, pattern }: TextRule = {}): Key<string> {
  return {
    summary,
    schema: { type: 'string', ...(pattern !== undefined && { pattern }) },
    read(field) {
      const value = readText(field);
      const problem = value && check?.(value.text);
      return problem ? wrong(field, `'${field.name}' ${problem.message}`, { suggestions: problem.suggestions ?? [] }) : value?.text;
    },
  };
}

/** Undefined, and told, when it is no text, or nothing but white space. */
export function readText(field: Field): TextValue | undefined {
  const { name, value } = field;
  if (value.is !== 'string') return wrongType(field, `'${name}' must be a string`, { suggestions: inQuotes(value, field.ground.text) });
  if (value.text.trim() === '') return wrong(field, `'${name}' cannot be empty`);
  return holdsNul(value.text) ? wrong(field, `'${name}' must not contain a NUL character`) : value;
}

export function holdsNul(text: string): boolean {
  return text.includes('\0');
}

/** A text that is as it is in YAML: numbers and booleans as they are written. Undefined for anything else. */
export function scalarText(value: Field['value']): string | undefined {
  switch (value.is) {
    case 'string': return value.text;
    case 'number': case 'boolean': return value.written;
    default: return undefined;
  }
}

export const anyScalar = schemaOfText(['string', 'number', 'boolean']);
