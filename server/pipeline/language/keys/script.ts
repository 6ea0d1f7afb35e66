// `script`: what a job does.

import type { Key } from '../field.ts';
import { oneOrMore } from './schemas.ts';
import { readTexts } from './texts.ts';

export const scriptKey: Key<readonly string[]> = {
  summary: 'Commands for the shell. Without it the job starts and ends at once.',
  schema: oneOrMore({ type: 'string' }, { minItems: 1 }),
  read: (field) => readTexts(field, {
    all: `${field.name} items`,
    emptyList: `'${field.name}' array cannot be empty`,
    empty: (index) => (index === undefined ? `'${field.name}' cannot be empty` : `${field.name} item at index ${index} cannot be empty`),
    most: Infinity,
  })?.map(({ text }) => text),
};
