// The key `artifacts`: globs of files to store after the job.

import { truncate } from '../../../../calls/text/quote.ts';
import { type Key, reportInvalid } from '../field.ts';
import { emptyItemMessage } from './identifiers.ts';
import { oneOrMore } from './json-schema.ts';
import { readStrings } from './string-list.ts';

export const artifactsKey: Key<readonly string[]> = {
  summary: 'Files to store after the job: globs relative to workDir, or absolute.',
  schema: oneOrMore(),
  read: (field) =>
    readStrings(field, {
      all: `${field.name} items`,
      empty: (index) => emptyItemMessage(field, index),
      most: 100,
    })?.flatMap(({ text, value, index }) => {
      if (!text.split('/').includes('..')) return [text];
      reportInvalid(
        field,
        `${field.name}${index === undefined ? '' : ` item at index ${index}`} must not contain '..', ` +
          `got '${truncate(text)}'`,
        { at: value },
      );
      return [];
    }),
};
