// The keys of the file that are no jobs.

import { flagKey, looseFlagKey } from './flag.ts';
import { dockerKey } from './docker.ts';
import { nameKey } from './name.ts';
import { workflowKey } from './workflow.ts';

export const topKeys = {
  workflow: workflowKey,
  logsWithTime: looseFlagKey('Lines are shown with the time.'),
  docker: dockerKey,
  failFast: flagKey('After the first failure nothing more is started; true when not written.'),
  name: nameKey,
};

/** Younger than pin: a file of pin's may have a job of this name, which is a mapping. */
export const lateKeys: readonly string[] = ['failFast', 'name'];
