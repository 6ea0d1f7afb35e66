// Rule: a job does something. A job without a script usually has its script under another key. A job with other errors
// is not reported, because those errors may be the reason.

import { truncate } from '../../../../calls/text/quote.ts';
import { type JobRule, reportJob } from './rule.ts';

/** Keys that give a job an effect: it runs a script, builds an image, stores files or checks services. */
const effects = ['script', 'dockerfile', 'artifactPath', 'artifacts', 'services'] as const;

export const doesSomething: JobRule = (job, { hasError }) => {
  if (hasError(job.name)) return;
  const relevant = job.values.host === true ? (['script'] as const) : effects;
  if (relevant.some((key) => job.fields[key] !== undefined || job.meant.has(key))) return;
  reportJob(job, {
    code: 'MISSING_FIELD',
    field: 'script',
    message: `job '${truncate(job.name)}' does nothing: it has no 'script'`,
    suggestions: ["add a script, such as script: make, or script: 'true' for a job that only waits for others"],
  });
};
