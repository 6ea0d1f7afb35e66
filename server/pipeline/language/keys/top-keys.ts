// The table of all top-level keys that are not jobs.

import { booleanKey, looseBooleanKey } from './boolean.ts';
import { defaultsKey } from './defaults.ts';
import { dockerKey } from './docker.ts';
import { nameKey } from './name.ts';
import { workflowKey } from './workflow.ts';

export const topKeys = {
  workflow: workflowKey,
  logsWithTime: looseBooleanKey('Shows the time of each line.'),
  docker: dockerKey,
  failFast: booleanKey('Starts no more jobs after the first failure. Default: true.'),
  name: nameKey,
  defaults: defaultsKey,
};

/** Keys that pin does not have. A file for pin may use such a name for a job, which is then a mapping. */
export const keysUsableAsJobNames: readonly string[] = ['failFast', 'name', 'defaults'];
