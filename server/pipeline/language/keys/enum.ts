// Defines pipeline keys whose value is one word of a fixed list: their JSON Schema, and how the value is read.

import { truncate } from '../../../../calls/text/quote.ts';
import { type Key, reportInvalid } from '../field.ts';
import { suggestName } from '../suggestions.ts';
import { readString } from './string.ts';

/** `foreign` maps words of other systems to the word of this language. */
export function enumKey<const Word extends string>(
  summary: string,
  words: readonly Word[],
  foreign: Readonly<Record<string, Word>> = {},
): Key<Word> {
  return {
    summary,
    schema: { enum: words },
    read(field) {
      const text = readString(field)?.text;
      if (text === undefined) return undefined;
      return (
        words.find((word) => word === text) ??
        reportInvalid(field, `'${field.name}' must be one of ${words.join(', ')}, got '${truncate(text)}'`, {
          suggestions: Object.hasOwn(foreign, text) ? [`write ${foreign[text]}`] : suggestName(text, words),
        })
      );
    },
  };
}
