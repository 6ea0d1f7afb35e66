// The keys `workflow` and `needs`: names of jobs as a list, or as one string split at white space.

import type { TextRange, TextValue } from '../../../yaml/value-tree.ts';
import { type Field, type Key, rangeWithin, reportInvalid, reportType } from '../field.ts';
import { oneOrMore } from './json-schema.ts';
import { scalarSchema, scalarText } from './string.ts';

/** A job name as spelled at this place in the file. The job may not exist. */
export interface NameRef {
  readonly text: string;
  readonly at: TextRange;
}

export function jobNamesKey(summary: string): Key<readonly NameRef[]> {
  return { summary, schema: oneOrMore(scalarSchema), read: readJobNames };
}

function readJobNames(field: Field): readonly NameRef[] | undefined {
  const { name, value } = field;
  if (value.is === 'string')
    return value.text.trim() === ''
      ? reportInvalid(field, `'${name}' cannot be empty`, {
          suggestions: name.toLowerCase() === 'needs' ? ['write needs: [] for a job that waits for no other'] : [],
        })
      : splitWords(field, value);
  if (value.is === 'number') return [{ text: value.written, at: value }];
  if (value.is !== 'list') return reportType(field, `'${name}' must be a string or array of strings`);
  return value.items.flatMap((item, index): readonly NameRef[] => {
    const text = scalarText(item)?.trim();
    const at = item.end > item.start ? { at: item } : {};
    if (text === undefined)
      reportType(field, `all ${name} items must be strings, found ${item.is} at index ${index}`, at);
    else if (text === '') reportInvalid(field, `${name} item at index ${index} cannot be empty`, at);
    else return [{ text, at: item }];
    return [];
  });
}

function splitWords(field: Field, value: TextValue): readonly NameRef[] {
  return [...value.text.matchAll(/\S+/g)].map((found) => ({
    text: found[0],
    at: rangeWithin(field, value, [found.index, found[0].length]),
  }));
}
