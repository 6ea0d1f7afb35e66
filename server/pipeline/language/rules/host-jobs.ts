// Rules: host jobs need permission, and cannot have keys for containers.

import type { jobKeys } from '../keys/job-keys.ts';
import { type JobRule, reportField } from './rule.ts';

type KeyName = keyof typeof jobKeys;

/** pin accepts these keys in host jobs and ignores them, so they cause only warnings. */
export const keysIgnoredOnHost: readonly KeyName[] = ['port', 'copyFiles', 'copyIgnore', 'artifactPath', 'artifacts'];
export const containerKeys: readonly KeyName[] = [
  'services',
  'volumes',
  'cache',
  'network',
  'memory',
  'cpus',
  'user',
  'pull',
  'registry',
];

export const hostJobsAllowed: JobRule = ({ values, fields: { host } }, { hostJobs }) => {
  if (values.host !== true || hostJobs) return;
  host!.context.report({
    code: 'INVALID_FIELD_VALUE',
    notPermitted: true,
    message: 'host jobs are disabled',
    at: host!.at,
    job: host!.job,
    field: host!.name,
    suggestions: ['run the job in an image, or let the operator set pipelines.hostJobs: true in distillery.yaml'],
  });
};

export const hostJobsWithoutContainerKeys: JobRule = (job) => {
  if (job.values.host !== true) return;
  for (const name of containerKeys)
    if (job.fields[name] !== undefined)
      reportField(job.fields[name], `host jobs cannot specify '${job.fields[name].name}'`, [
        'remove it, or run the job in an image',
      ]);
  for (const name of keysIgnoredOnHost) {
    const field = job.fields[name];
    if (field === undefined || job.values[name] === false) continue;
    field.context.report({
      code: 'INVALID_FIELD_VALUE',
      severity: 'warning',
      message: `'${field.name}' has no effect in host jobs`,
      at: field.at,
      job: job.name,
      field: field.name,
      suggestions: ['remove it'],
    });
  }
};
