// `command` and `entrypoint`: a program with its arguments, never a line for a shell.

import { cut, quote } from '../../../../calls/contract/quote.ts';
import { wrong, wrongType, type Key } from '../field.ts';
import { inQuotes } from '../ways.ts';
import { holdsNul } from './text.ts';

export function wordsKey(summary: string): Key<readonly string[]> {
  return {
    summary,
    schema: { type: 'array', items: { type: 'string' }, minItems: 1 },
    read(field) {
      const { name, value } = field;
      if (value.is !== 'list') return wrongType(field, `'${name}' must be an array of strings`, { suggestions: value.is === 'string' ? [`write [sh, -c, ${quote(cut(value.text))}]`] : [] });
      if (value.items.length === 0) return wrong(field, `'${name}' array cannot be empty`);
      return value.items.flatMap((item, index) => {
        const at = item.end > item.start ? { at: item } : {};
        if (item.is !== 'string') wrongType(field, `all ${name} items must be strings, found ${item.is} at index ${index}`, { ...at, suggestions: inQuotes(item, field.ground.text) });
        else if (holdsNul(item.text)) wrong(field, `'${name}' must not contain a NUL character`, at);
        else return [item.text];
        return [];
      });
    },
  };
}
