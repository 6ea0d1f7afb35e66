// Creates the suggestions that diagnostics show for common mistakes.

import { truncate } from '../../../calls/text/quote.ts';
import { nearest } from '../../../calls/text/suggest.ts';
import type { YamlValue } from '../../yaml/value-tree.ts';

/** Suggests quotes for a value that YAML does not read as a string. */
export function suggestQuotes(value: YamlValue, source: string): () => readonly string[] {
  return () => {
    switch (value.is) {
      case 'number':
      case 'boolean':
        return [`put it in quotes: "${value.written}"`];
      case 'mapping':
      case 'list': {
        const written = source.slice(value.start, value.end).trimEnd();
        // Suggest nothing for several lines, because the author probably did not mean them as a string.
        return written.includes('\n') || written === ''
          ? []
          : [`put the line in quotes: '${truncate(written.replaceAll("'", "''"))}'`];
      }
      default:
        return [];
    }
  };
}

/** Suggests the nearest known name: `did you mean 'image'?`. Suggests nothing if no name is near. */
export function suggestName(word: string, known: Iterable<string>): () => readonly string[] {
  return () => {
    const name = nearest(word, known);
    return name === undefined ? [] : [`did you mean '${name}'?`];
  };
}

const booleanWords: Readonly<Record<string, 'true' | 'false'>> = {
  yes: 'true',
  on: 'true',
  y: 'true',
  true: 'true',
  no: 'false',
  off: 'false',
  n: 'false',
  false: 'false',
};

/** Suggests `true` or `false` for words that were booleans in YAML 1.1. */
export function suggestBoolean(value: YamlValue): readonly string[] {
  const word = value.is === 'string' ? value.text.trim().toLowerCase() : '';
  return Object.hasOwn(booleanWords, word) ? [`write ${booleanWords[word]}, without quotes`] : ['write true or false'];
}
