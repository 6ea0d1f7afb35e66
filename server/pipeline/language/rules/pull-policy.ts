// Rule: `pull` has no effect on an image that is built.

import type { JobRule } from './rule.ts';

export const noPullWithDockerfile: JobRule = ({ fields: { dockerfile, image, pull } }) => {
  if (dockerfile === undefined || image !== undefined || pull === undefined) return;
  pull.context.report({
    code: 'INVALID_FIELD_VALUE',
    severity: 'warning',
    message: `'${pull.name}' has no effect with '${dockerfile.name}'`,
    at: pull.at,
    job: pull.job,
    field: pull.name,
    suggestions: ['remove it'],
  });
};
