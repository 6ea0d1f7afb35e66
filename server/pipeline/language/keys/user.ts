// The key `user`: the user of a container's processes.

import { truncate } from '../../../../calls/text/quote.ts';
import { type Key, reportInvalid, reportType } from '../field.ts';
import { readString } from './string.ts';

const form = '^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?\\$?$';

export const userKey: Key<string> = {
  summary: 'The user of the processes in the container: "1000", "1000:1000" or a name that the image defines.',
  schema: {
    anyOf: [
      { type: 'integer', minimum: 0 },
      { type: 'string', pattern: form },
    ],
  },
  read(field) {
    const { name, value } = field;
    if (value.is === 'number')
      return Number.isInteger(value.value) && value.value >= 0 && /^\d+$/.test(value.written)
        ? value.written
        : reportType(field, `'${name}' must be a user such as "1000:1000" or "node"`);
    const text = readString(field)?.text;
    if (text === undefined || new RegExp(form).test(text)) return text;
    return reportInvalid(field, `'${name}' must be a user such as "1000:1000" or "node", got '${truncate(text)}'`);
  },
};
