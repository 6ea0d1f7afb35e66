// Names of jobs, as a list, or as one text split at white space: `workflow` and `needs`.

import type { Extent, TextValue } from '../../../support/yaml/values.ts';
import { within, wrong, wrongType, type Field, type Key } from '../field.ts';
import { anyScalar, scalarText } from './text.ts';
import { oneOrMore } from './schemas.ts';

/** A name as it is spelled here, whether or not there is such a job. */
export interface WrittenName {
  readonly text: string;
  readonly at: Extent;
}

export function mentionsKey(summary: string): Key<readonly WrittenName[]> {
  return { summary, schema: oneOrMore(anyScalar), read: readMentions };
}

function readMentions(field: Field): readonly WrittenName[] | undefined {
  const { name, value } = field;
  if (value.is === 'string') return splitWords(field, value);
  if (value.is === 'number') return [{ text: value.written, at: value }];
  if (value.is !== 'list') return wrongType(field, `'${name}' must be a string or array of strings`);
  return value.items.flatMap((item, index): readonly WrittenName[] => {
    const text = scalarText(item)?.trim();
    const at = item.end > item.start ? { at: item } : {};
    if (text === undefined) wrongType(field, `all ${name} items must be strings, found ${item.is} at index ${index}`, at);
    else if (text === '') wrong(field, `${name} item at index ${index} cannot be empty`, at);
    else return [{ text, at: item }];
    return [];
  });
}

function splitWords(field: Field, value: TextValue): readonly WrittenName[] {
  return [...value.text.matchAll(/\S+/g)].map((found) => ({ text: found[0], at: within(field, value, [found.index, found[0].length]) }));
}
