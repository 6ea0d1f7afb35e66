// The keys `command` and `entrypoint`: a program with its arguments, never a shell line.

import { quote, truncate } from '../../../../calls/text/quote.ts';
import { type Key, reportInvalid, reportType } from '../field.ts';
import { suggestQuotes } from '../suggestions.ts';
import { containsNul } from './string.ts';

/** With `mayReset`, the list [""] is allowed: it removes the entrypoint of the image. */
export function argvKey(
  summary: string,
  { mayReset = false }: { readonly mayReset?: boolean } = {},
): Key<readonly string[]> {
  return {
    summary,
    schema: { type: 'array', items: { type: 'string' }, minItems: 1 },
    read(field) {
      const { name, value } = field;
      if (value.is !== 'list')
        return reportType(field, `'${name}' must be an array of strings`, {
          suggestions: value.is === 'string' ? [`write [sh, -c, ${quote(truncate(value.text))}]`] : [],
        });
      if (value.items.length === 0) return reportInvalid(field, `'${name}' array cannot be empty`);
      return value.items.flatMap((item, index) => {
        const at = item.end > item.start ? { at: item } : {};
        if (item.is !== 'string')
          reportType(field, `all ${name} items must be strings, found ${item.is} at index ${index}`, {
            ...at,
            suggestions: suggestQuotes(item, field.context.text),
          });
        else if (index === 0 && item.text.trim() === '' && !(mayReset && value.items.length === 1))
          reportInvalid(field, `${name} item at index 0 cannot be empty: it is the program`, at);
        else if (containsNul(item.text)) reportInvalid(field, `'${name}' must not contain a NUL character`, at);
        else return [item.text];
        return [];
      });
    },
  };
}
