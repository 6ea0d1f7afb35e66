// Defines pipeline keys whose value is a string: their JSON Schema, and how the value is read and checked.

import type { TextValue } from '../../../yaml/value-tree.ts';
import { type Field, type Key, reportInvalid, reportType } from '../field.ts';
import { suggestQuotes } from '../suggestions.ts';
import { schemaOfType } from './json-schema.ts';

export interface StringRule {
  /** Returns what is wrong with the string, if anything. */
  readonly check?: (text: string) => { readonly message: string; readonly suggestions?: readonly string[] } | undefined;
  readonly pattern?: string;
}

export function stringKey(summary: string, { check, pattern }: StringRule = {}): Key<string> {
  return {
    summary,
    schema: { type: 'string', ...(pattern !== undefined && { pattern }) },
    read(field) {
      const value = readString(field);
      const problem = value && check?.(value.text);
      return problem
        ? reportInvalid(field, `'${field.name}' ${problem.message}`, { suggestions: problem.suggestions ?? [] })
        : value?.text;
    },
  };
}

/** Reports an error and returns undefined if the value is not a string or is blank. */
export function readString(field: Field): TextValue | undefined {
  const { name, value } = field;
  if (value.is !== 'string')
    return reportType(field, `'${name}' must be a string`, { suggestions: suggestQuotes(value, field.context.text) });
  if (value.text.trim() === '') return reportInvalid(field, `'${name}' cannot be empty`);
  return containsNul(value.text) ? reportInvalid(field, `'${name}' must not contain a NUL character`) : value;
}

export function containsNul(text: string): boolean {
  return text.includes('\0');
}

/** Returns a string unchanged, and numbers and booleans as written. Returns undefined for anything else. */
export function scalarText(value: Field['value']): string | undefined {
  switch (value.is) {
    case 'string':
      return value.text;
    case 'number':
    case 'boolean':
      return value.written;
    default:
      return undefined;
  }
}

export const scalarSchema = schemaOfType(['string', 'number', 'boolean']);
