// `artifacts`: files that are kept after the job, as globs.

import { cut } from '../../../../calls/contract/quote.ts';
import { wrong, type Key } from '../field.ts';
import { itemEmpty } from './names.ts';
import { oneOrMore } from './schemas.ts';
import { readTexts } from './texts.ts';

export const artifactsKey: Key<readonly string[]> = {
  summary: 'Files that are kept after the job: globs relative to workDir, or absolute.',
  schema: oneOrMore(),
  read: (field) => readTexts(field, { all: `${field.name} items`, empty: (index) => itemEmpty(field, index), most: 100 })?.flatMap(({ text, value, index }) => {
    if (!text.split('/').includes('..')) return [text];
    wrong(field, `${field.name}${index === undefined ? '' : ` item at index ${index}`} must not contain '..', got '${cut(text)}'`, { at: value });
    return [];
  }),
};
