// Rule: every name in `needs` is a job that exists and runs.

import { truncate } from '../../../../calls/text/quote.ts';
import { reportInvalid } from '../field.ts';
import { suggestName } from '../suggestions.ts';
import type { JobRule } from './rule.ts';

export const needsExist: JobRule = ({ values, fields }, { names }) => {
  for (const { text, at } of values.needs ?? []) {
    const job = names.get(text.toLowerCase());
    const field = fields.needs!;
    const position = at.end > at.start ? { at } : {};
    if (job === undefined)
      reportInvalid(field, `'${field.name}' names the job '${truncate(text)}', which is not defined`, {
        ...position,
        suggestions: suggestName(
          text,
          [...names.values()].map(({ name }) => name),
        ),
      });
    else if (!job.runs)
      reportInvalid(field, `'${field.name}' names the job '${truncate(job.name)}', which is not in the workflow`, {
        ...position,
        suggestions: ['add it to the workflow'],
      });
  }
};
