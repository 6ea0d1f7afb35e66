// A key that is true or false.

import { wrongType, type Key } from '../field.ts';
import { asBoolean } from '../ways.ts';

export function flagKey(summary: string): Key<boolean> {
  return {
    summary,
    schema: { type: 'boolean' },
    read: (field) => (field.value.is === 'boolean' ? field.value.value
      : wrongType(field, `'${field.name}' must be a boolean value`, { suggestions: asBoolean(field.value) })),
  };
}

const words: Readonly<Record<string, boolean>> = { true: true, false: false, 1: true, 0: false };

/** Also takes `"true"` and 1, as pin does for what is no key of a job. */
export function looseFlagKey(summary: string): Key<boolean> {
  return {
    summary,
    schema: { anyOf: [{ enum: [true, false, 1, 0] }, { type: 'string', pattern: '^\\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|1|0)\\s*$' }] },
    read(field) {
      const { value } = field;
      const word = value.is === 'string' ? value.text.trim().toLowerCase() : value.is === 'number' ? String(value.value) : '';
      if (value.is === 'boolean') return value.value;
      return Object.hasOwn(words, word) ? words[word] : wrongType(field, `'${field.name}' must be a boolean value`, { suggestions: asBoolean(value) });
    },
  };
}
