// A job that runs several times has no one value to hand on, and no two values of one name.

import { refuse, type JobRule } from './rule.ts';

export const matrixHasNoOutputs: JobRule = ({ fields: { matrix, outputs } }) => {
  if (matrix === undefined || outputs === undefined) return;
  refuse(outputs, `a job with '${matrix.name}' cannot have '${outputs.name}': it runs once for each combination`, ['hand them on from a job without a matrix']);
};
