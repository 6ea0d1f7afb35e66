// What is built is not pulled.

import type { JobRule } from './rule.ts';

export const buildsAreNotPulled: JobRule = ({ fields: { dockerfile, image, pull } }) => {
  if (dockerfile === undefined || image !== undefined || pull === undefined) return;
  pull.ground.tell({
    code: 'INVALID_FIELD_VALUE', severity: 'warning', message: `'${pull.name}' has no effect with '${dockerfile.name}'`, at: pull.at, job: pull.job, field: pull.name, suggestions: ['take it out'],
  });
};
