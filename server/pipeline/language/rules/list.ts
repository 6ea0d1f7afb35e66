// The rules that look at more than one key: the explicit list. What single keys may be is in keys/.

import { baseIsOne } from './base.ts';
import { buildsAreNotPulled } from './build.ts';
import { hostJobsAreAllowed, hostJobsHaveNoContainer } from './host-jobs.ts';
import { matrixHasNoOutputs } from './matrix-outputs.ts';
import { mountPointsAreDistinct } from './mount-points.ts';
import { needsAreJobs } from './needs.ts';
import { jobsAreNotTooMany } from './number-of-jobs.ts';
import { outputsAreOfOneJob } from './outputs.ts';
import { placeholdersAreOfTheMatrix } from './placeholders.ts';
import type { FileRule, JobRule } from './rule.ts';
import { servicesHaveANetwork } from './services-network.ts';
import { workDirIsAbsolute } from './work-dir.ts';

export const jobRules: readonly JobRule[] = [
  baseIsOne, hostJobsAreAllowed, hostJobsHaveNoContainer, workDirIsAbsolute, buildsAreNotPulled, matrixHasNoOutputs, servicesHaveANetwork,
  mountPointsAreDistinct, placeholdersAreOfTheMatrix, needsAreJobs,
];

export const fileRules: readonly FileRule[] = [jobsAreNotTooMany, outputsAreOfOneJob];
