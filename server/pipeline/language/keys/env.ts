// `env`: variables, as a list of KEY=VALUE or as a mapping.

import { cut } from '../../../../calls/contract/quote.ts';
import type { MappingValue } from '../../../support/yaml/values.ts';
import { itemsMax } from '../bounds.ts';
import { wrong, wrongType, type Field, type Key } from '../field.ts';
import { oneOrMore } from './schemas.ts';
import { anyScalar, holdsNul, scalarText } from './text.ts';
import { readTexts } from './texts.ts';

type Values = Readonly<Record<string, string>>;

export const envKey: Key<Values> = {
  summary: 'Variables of the environment: a list of KEY=VALUE, or a mapping.',
  schema: { anyOf: [...(oneOrMore({ type: 'string', pattern: '^[^=]+=' })['anyOf'] as readonly unknown[]), { type: 'object', additionalProperties: anyScalar }] },
  read: (field) => (field.value.is === 'mapping' ? readMapping(field, field.value) : readList(field)),
};

function readList(field: Field): Values | undefined {
  const items = readTexts(field, { all: 'environment variables', empty: (index) => `environment variable${at(index)} cannot be empty` });
  const pairs = items?.flatMap(({ text, index, value }): readonly (readonly [string, string])[] => {
    const split = text.indexOf('=');
    if (split > 0) return [[text.slice(0, split), text.slice(split + 1)]];
    wrong(field, `environment variable${at(index)} must be in KEY=VALUE form`, { at: value, suggestions: split === 0 ? [] : [`write ${cut(text)}= for one that is empty`] });
    return [];
  });
  return pairs && Object.fromEntries(pairs);
}

function at(index: number | undefined): string {
  return index === undefined ? '' : ` at index ${index}`;
}

function readMapping(field: Field, { entries }: MappingValue): Values | undefined {
  if (entries.length > itemsMax) return wrong(field, `'${field.name}' has ${entries.length} variables; ${itemsMax} is the most there may be`);
  const pairs = entries.flatMap(({ key, value, at }): readonly (readonly [string, string])[] => {
    const text = scalarText(value);
    const spot = { at: value.end > value.start ? value : at };
    if (key === '' || key.includes('=') || holdsNul(key)) wrong(field, `'${cut(key)}' is not a name for an environment variable: it must not be empty, nor contain '='`, { at });
    else if (text === undefined) wrongType(field, `environment variable '${cut(key)}' must be a string, number or boolean, found ${value.is}`, { ...spot, suggestions: value.is === 'null' ? [`write ${cut(key)}: "" for one that is empty`] : [] });
    else if (holdsNul(text)) wrong(field, `environment variable '${cut(key)}' must not contain a NUL character`, spot);
    else return [[key, text]];
    return [];
  });
  return Object.fromEntries(pairs);
}
