// A key whose value is one of a few words.

import { cut } from '../../../../calls/contract/quote.ts';
import { wrong, type Key } from '../field.ts';
import { meant } from '../ways.ts';
import { readText } from './text.ts';

export function choiceKey<const Word extends string>(summary: string, words: readonly Word[]): Key<Word> {
  return {
    summary,
    schema: { enum: words },
    read(field) {
      const text = readText(field)?.text;
      if (text === undefined) return undefined;
      return words.find((word) => word === text) ?? wrong(field, `'${field.name}' must be one of ${words.join(', ')}, got '${cut(text)}'`, { suggestions: meant(text, words) });
    },
  };
}
