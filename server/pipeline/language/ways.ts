// Ways out of common mistakes, as suggestions.

import { nearest } from '../../../calls/contract/suggest.ts';
import { cut } from '../../../calls/contract/quote.ts';
import type { YamlValue } from '../../support/yaml/values.ts';

/** For what was meant to be a text, and YAML reads as something else. */
export function inQuotes(value: YamlValue, source: string): () => readonly string[] {
  return () => {
    switch (value.is) {
      case 'number': case 'boolean': return [`put it in quotes: "${value.written}"`];
      case 'mapping': case 'list': {
        const written = source.slice(value.start, value.end).trimEnd();
        // What takes several lines was hardly meant to be a text.
        return written.includes('\n') || written === '' ? [] : [`put the line in quotes: '${cut(written.replaceAll("'", "''"))}'`];
      }
      default: return [];
    }
  };
}

/** `did you mean 'image'?`, or nothing. */
export function meant(word: string, known: Iterable<string>): () => readonly string[] {
  return () => {
    const name = nearest(word, known);
    return name === undefined ? [] : [`did you mean '${name}'?`];
  };
}

const negations: Readonly<Record<string, 'true' | 'false'>> = { yes: 'true', on: 'true', y: 'true', true: 'true', no: 'false', off: 'false', n: 'false', false: 'false' };

/** For words that were booleans once. */
export function asBoolean(value: YamlValue): readonly string[] {
  const word = value.is === 'string' ? value.text.trim().toLowerCase() : '';
  return Object.hasOwn(negations, word) ? [`write ${negations[word]}, without quotes`] : ['write true or false'];
}
