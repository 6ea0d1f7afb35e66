// `condition`: when a job runs.

import type { Condition } from '../condition.ts';
import { parseCondition } from '../condition-parser.ts';
import { place, within, wrong, type Key } from '../field.ts';
import { readText } from './text.ts';

export const conditionKey: Key<Condition> = {
  summary: 'The job runs when this holds, such as: $BRANCH == "main" && !$SKIP_TESTS',
  schema: { type: 'string' },
  read(field) {
    const value = readText(field);
    if (value === undefined) return undefined;
    const parsed = parseCondition(value.text);
    if ('expression' in parsed) return { text: value.text, place: place(field), expression: parsed.expression };
    const { message, at, length, suggestions } = parsed.fault;
    return wrong(field, `invalid condition: ${message}`, { at: within(field, value, [at, length]), suggestions });
  },
};
