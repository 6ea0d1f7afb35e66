// The key `condition`: an expression that decides whether a job runs.

import type { Condition } from '../condition.ts';
import { parseCondition } from '../condition-parser.ts';
import { fieldLocation, type Key, rangeWithin, reportInvalid } from '../field.ts';
import { readString } from './string.ts';

export const conditionKey: Key<Condition> = {
  summary: 'The job runs if this holds, such as: $BRANCH == "main" && !$SKIP_TESTS',
  schema: { type: 'string' },
  read(field) {
    const value = readString(field);
    if (value === undefined) return undefined;
    const parsed = parseCondition(value.text);
    if ('expression' in parsed)
      return { text: value.text, location: fieldLocation(field), expression: parsed.expression };
    const { message, at, length, suggestions } = parsed.error;
    return reportInvalid(field, `invalid condition: ${message}`, {
      at: rangeWithin(field, value, [at, length]),
      suggestions,
    });
  },
};
