// Rule: a file has at most `jobsMax` jobs.

import { jobsMax } from '../limits.ts';
import type { FileRule } from './rule.ts';

export const maxJobs: FileRule = ({ jobs, workflow = [], context }) => {
  const count = Math.max(jobs.length, workflow.length);
  const at = workflow[jobsMax]?.at ?? jobs[jobsMax]?.at;
  if (count > jobsMax && at !== undefined)
    context.report({
      code: 'INVALID_FIELD_VALUE',
      message: `there are ${count} jobs; at most ${jobsMax} are allowed`,
      at,
      suggestions: ['split the file into several pipelines'],
    });
};
