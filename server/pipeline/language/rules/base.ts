// Exactly one of `image`, `dockerfile` and `host: true`.

import { refuse, tellJob, type JobRule } from './rule.ts';

export const baseIsOne: JobRule = (job) => {
  const { image, dockerfile, host } = job.fields;
  const onHost = job.values.host === true;
  const spelled = `'${image?.name ?? 'image'}' or '${dockerfile?.name ?? 'dockerfile'}'`;
  const first = [image, dockerfile].filter((field) => field !== undefined).sort((a, b) => a.at.start - b.at.start);
  if (onHost && first[0] !== undefined) return refuse(first[0], `host jobs cannot specify ${spelled}`, [`take it out, or take out '${host!.name}'`]);
  if (image !== undefined && dockerfile !== undefined) return refuse(first[1]!, `cannot specify both '${image.name}' and '${dockerfile.name}' in the same job`, ['keep one of them']);
  // A `host` that is neither true nor false has been told of, and may be meant.
  const unclear = host !== undefined && job.values.host === undefined;
  if (onHost || unclear || first.length > 0) return;
  tellJob(job, { code: 'MISSING_FIELD', field: 'image', message: "either 'image' or 'dockerfile' must be specified", suggestions: ['write image: alpine, or another one'] });
};
