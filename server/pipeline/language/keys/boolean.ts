// Defines pipeline keys that are true or false: their JSON Schema, and how the value is read.

import { type Key, reportType } from '../field.ts';
import { suggestBoolean } from '../suggestions.ts';

export function booleanKey(summary: string): Key<boolean> {
  return {
    summary,
    schema: { type: 'boolean' },
    read: (field) =>
      field.value.is === 'boolean'
        ? field.value.value
        : reportType(field, `'${field.name}' must be a boolean value`, { suggestions: suggestBoolean(field.value) }),
  };
}

const booleanWords: Readonly<Record<string, boolean>> = { true: true, false: false, 1: true, 0: false };

/** Also accepts `"true"` and 1, because pin does so for keys outside of jobs. */
export function looseBooleanKey(summary: string): Key<boolean> {
  return {
    summary,
    schema: {
      anyOf: [
        { enum: [true, false, 1, 0] },
        { type: 'string', pattern: '^\\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|1|0)\\s*$' },
      ],
    },
    read(field) {
      const { value } = field;
      const word =
        value.is === 'string' ? value.text.trim().toLowerCase() : value.is === 'number' ? String(value.value) : '';
      if (value.is === 'boolean') return value.value;
      return Object.hasOwn(booleanWords, word)
        ? booleanWords[word]
        : reportType(field, `'${field.name}' must be a boolean value`, { suggestions: suggestBoolean(value) });
    },
  };
}
