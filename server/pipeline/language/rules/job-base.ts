// Rule: a job has exactly one of `image`, `dockerfile` and `host: true`.

import { type JobRule, reportField, reportJob } from './rule.ts';

export const exactlyOneBase: JobRule = (job) => {
  const { image, dockerfile, host } = job.fields;
  const onHost = job.values.host === true;
  const spelled = `'${image?.name ?? 'image'}' or '${dockerfile?.name ?? 'dockerfile'}'`;
  const first = [image, dockerfile].filter((field) => field !== undefined).sort((a, b) => a.at.start - b.at.start);
  if (onHost && first[0] !== undefined)
    return reportField(first[0], `host jobs cannot specify ${spelled}`, [`remove it, or remove '${host!.name}'`]);
  if (image !== undefined && dockerfile !== undefined)
    return reportField(first[1]!, `cannot specify both '${image.name}' and '${dockerfile.name}' in the same job`, [
      'keep one of them',
    ]);
  // Do not ask for an image if `host` is invalid: it already has an error, and its author may have meant true.
  const unclear = host !== undefined && job.values.host === undefined;
  if (onHost || unclear || first.length > 0 || job.meant.has('image')) return;
  reportJob(job, {
    code: 'MISSING_FIELD',
    field: 'image',
    message: "either 'image' or 'dockerfile' must be specified",
    suggestions: ['add an image, such as image: alpine'],
  });
};
