// `user`: as whom a container's processes run.

import { cut } from '../../../../calls/contract/quote.ts';
import { wrong, wrongType, type Key } from '../field.ts';
import { readText } from './text.ts';

const form = '^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?\\$?$';

export const userKey: Key<string> = {
  summary: 'As whom it runs: "1000", "1000:1000" or a name that the image knows.',
  schema: { anyOf: [{ type: 'integer', minimum: 0 }, { type: 'string', pattern: form }] },
  read(field) {
    const { name, value } = field;
    if (value.is === 'number') return Number.isInteger(value.value) && value.value >= 0 && /^\d+$/.test(value.written) ? value.written : wrongType(field, `'${name}' must be a user such as "1000:1000" or "node"`);
    const text = readText(field)?.text;
    if (text === undefined || new RegExp(form).test(text)) return text;
    return wrong(field, `'${name}' must be a user such as "1000:1000" or "node", got '${cut(text)}'`);
  },
};
