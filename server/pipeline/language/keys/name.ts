// The key `name`: the display name of the pipeline.

import { type Key, reportInvalid, reportType } from '../field.ts';
import { scalarText } from './string.ts';

export const nameKey: Key<string> = {
  summary: 'Display name of the pipeline.',
  schema: { type: ['string', 'number', 'boolean'] },
  read(field) {
    const text = scalarText(field.value);
    if (text === undefined) return reportType(field, `'${field.name}' must be a string`);
    return text.trim() === '' ? reportInvalid(field, `'${field.name}' cannot be empty`) : text;
  },
};
