// The list of all rules over several keys. The folder `keys/` contains the rules for single keys.

import { doesSomething } from './does-something.ts';
import { hostJobsAllowed, hostJobsWithoutContainerKeys } from './host-jobs.ts';
import { exactlyOneBase } from './job-base.ts';
import { noOutputsWithMatrix } from './matrix-outputs.ts';
import { maxJobs } from './max-jobs.ts';
import { distinctMountPoints } from './mount-points.ts';
import { needsExist } from './needs.ts';
import { placeholdersInMatrix } from './placeholders.ts';
import { noPullWithDockerfile } from './pull-policy.ts';
import type { FileRule, JobRule } from './rule.ts';
import { distinctServiceNames } from './service-names.ts';
import { servicesNeedNetwork } from './services-network.ts';
import { uniqueOutputs } from './unique-outputs.ts';
import { absoluteWorkDir } from './work-dir.ts';

export const jobRules: readonly JobRule[] = [
  exactlyOneBase,
  hostJobsAllowed,
  hostJobsWithoutContainerKeys,
  absoluteWorkDir,
  noPullWithDockerfile,
  noOutputsWithMatrix,
  servicesNeedNetwork,
  distinctMountPoints,
  placeholdersInMatrix,
  needsExist,
  // Last, because this rule skips every job for which an error was reported, also by another rule.
  doesSomething,
];

export const fileRules: readonly FileRule[] = [maxJobs, uniqueOutputs, distinctServiceNames];
