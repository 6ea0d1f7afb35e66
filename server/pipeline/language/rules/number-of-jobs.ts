// There is a bound to the jobs of a file.

import { jobsMax } from '../bounds.ts';
import type { FileRule } from './rule.ts';

export const jobsAreNotTooMany: FileRule = ({ jobs, workflow = [], ground }) => {
  const count = Math.max(jobs.length, workflow.length);
  const at = workflow[jobsMax]?.at ?? jobs[jobsMax]?.at;
  if (count > jobsMax && at !== undefined) ground.tell({ code: 'INVALID_FIELD_VALUE', message: `there are ${count} jobs; ${jobsMax} is the most there may be`, at, suggestions: ['make several pipelines of it'] });
};
