// The key `script`: the commands of a job.

import type { Key } from '../field.ts';
import { oneOrMore } from './json-schema.ts';
import { readStrings } from './string-list.ts';

export const scriptKey: Key<readonly string[]> = {
  summary: 'Commands for the shell. Without a script the job starts and ends at once.',
  schema: oneOrMore({ type: 'string' }, { minItems: 1 }),
  read: (field) =>
    readStrings(field, {
      all: `${field.name} items`,
      emptyList: `'${field.name}' array cannot be empty`,
      empty: (index) =>
        index === undefined
          ? `'${field.name}' cannot be empty`
          : `${field.name} item at index ${index} cannot be empty`,
      most: Infinity,
    })?.map(({ text }) => text),
};
