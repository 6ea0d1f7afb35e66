// The key `env`: variables as a list of KEY=VALUE or as a mapping.

import { truncate } from '../../../../calls/text/quote.ts';
import type { MappingValue } from '../../../yaml/value-tree.ts';
import { type Field, type Key, reportInvalid, reportType } from '../field.ts';
import { itemsMax } from '../limits.ts';
import { oneOrMore } from './json-schema.ts';
import { containsNul, scalarSchema, scalarText } from './string.ts';
import { readStrings } from './string-list.ts';

type Values = Readonly<Record<string, string>>;

export const envKey: Key<Values> = {
  summary: 'Environment variables: a list of KEY=VALUE, or a mapping.',
  schema: {
    anyOf: [
      ...(oneOrMore({ type: 'string', pattern: '^[^=]+=' })['anyOf'] as readonly unknown[]),
      { type: 'object', additionalProperties: scalarSchema },
    ],
  },
  read: (field) => (field.value.is === 'mapping' ? readMapping(field, field.value) : readList(field)),
};

function readList(field: Field): Values | undefined {
  const items = readStrings(field, {
    all: 'environment variables',
    empty: (index) => `environment variable${formatIndex(index)} cannot be empty`,
  });
  const pairs = items?.flatMap(({ text, index, value }): readonly (readonly [string, string])[] => {
    const split = text.indexOf('=');
    if (split > 0) return [[text.slice(0, split), text.slice(split + 1)]];
    reportInvalid(field, `environment variable${formatIndex(index)} must be in KEY=VALUE form`, {
      at: value,
      suggestions: split === 0 ? [] : [`write ${truncate(text)}= for an empty value`],
    });
    return [];
  });
  return pairs && Object.fromEntries(pairs);
}

function formatIndex(index: number | undefined): string {
  return index === undefined ? '' : ` at index ${index}`;
}

function readMapping(field: Field, { entries }: MappingValue): Values | undefined {
  if (entries.length > itemsMax)
    return reportInvalid(field, `'${field.name}' has ${entries.length} variables; at most ${itemsMax} are allowed`);
  const pairs = entries.flatMap(({ key, value, at }): readonly (readonly [string, string])[] => {
    const text = scalarText(value);
    const position = { at: value.end > value.start ? value : at };
    if (key === '' || key.includes('=') || containsNul(key))
      reportInvalid(
        field,
        `'${truncate(key)}' is not a valid environment variable name: it must not be empty or contain '='`,
        {
          at,
        },
      );
    else if (text === undefined)
      reportType(
        field,
        `environment variable '${truncate(key)}' must be a string, number or boolean, found ${value.is}`,
        {
          ...position,
          suggestions: value.is === 'null' ? [`write ${truncate(key)}: "" for an empty value`] : [],
        },
      );
    else if (containsNul(text))
      reportInvalid(field, `environment variable '${truncate(key)}' must not contain a NUL character`, position);
    else return [[key, text]];
    return [];
  });
  return Object.fromEntries(pairs);
}
