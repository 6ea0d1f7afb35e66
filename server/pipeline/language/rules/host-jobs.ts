// Jobs on the machine of the gateway: only where they are allowed, and without what belongs to containers.

import type { jobKeys } from '../keys/job-keys.ts';
import { refuse, type JobRule } from './rule.ts';

type KeyName = keyof typeof jobKeys;

/** pin lets these be there, and does nothing with them. */
const passedOver: readonly KeyName[] = ['port', 'copyFiles', 'copyIgnore', 'artifactPath', 'artifacts'];
const refused: readonly KeyName[] = ['services', 'volumes', 'cache', 'network', 'memory', 'cpus', 'user', 'pull', 'registry'];

export const hostJobsAreAllowed: JobRule = ({ values, fields }, { hostJobs }) => {
  if (values.host === true && !hostJobs) refuse(fields.host!, 'host jobs are disabled', ['run it in an image, or have the operator allow host jobs']);
};

export const hostJobsHaveNoContainer: JobRule = (job) => {
  if (job.values.host !== true) return;
  for (const name of refused) if (job.fields[name] !== undefined) refuse(job.fields[name], `host jobs cannot specify '${job.fields[name].name}'`, ['take it out, or run the job in an image']);
  for (const name of passedOver) {
    const field = job.fields[name];
    if (field === undefined || job.values[name] === false) continue;
    field.ground.tell({
      code: 'INVALID_FIELD_VALUE', severity: 'warning', message: `'${field.name}' has no effect in host jobs`, at: field.at, job: job.name, field: field.name, suggestions: ['take it out'],
    });
  }
};
