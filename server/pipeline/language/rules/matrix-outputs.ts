// Rule: a job with a matrix has no outputs, because each would have several values.

import { type JobRule, reportField } from './rule.ts';

export const noOutputsWithMatrix: JobRule = ({ fields: { matrix, outputs } }) => {
  if (matrix === undefined || outputs === undefined) return;
  reportField(outputs, `a job with '${matrix.name}' cannot have '${outputs.name}': it runs once for each combination`, [
    'declare the outputs in a job without a matrix',
  ]);
};
