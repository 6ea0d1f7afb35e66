// `needs` names jobs that run.

import { cut } from '../../../../calls/contract/quote.ts';
import { wrong } from '../field.ts';
import { meant } from '../ways.ts';
import type { JobRule } from './rule.ts';

export const needsAreJobs: JobRule = ({ values, fields }, { names }) => {
  for (const { text, at } of values.needs ?? []) {
    const job = names.get(text.toLowerCase());
    const field = fields.needs!;
    const spot = at.end > at.start ? { at } : {};
    if (job === undefined) wrong(field, `'${field.name}' names the job '${cut(text)}', which is not defined`, { ...spot, suggestions: meant(text, [...names.values()].map(({ name }) => name)) });
    else if (!job.runs) wrong(field, `'${field.name}' names the job '${cut(job.name)}', which is not in the workflow`, { ...spot, suggestions: ['add it to the workflow'] });
  }
};
