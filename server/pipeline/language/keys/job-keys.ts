// The table of all keys of a job.

import { artifactsKey } from './artifacts.ts';
import { booleanKey } from './boolean.ts';
import { conditionKey } from './condition.ts';
import { copyIgnoreKey } from './copy-ignore.ts';
import { enumKey } from './enum.ts';
import { envKey } from './env.ts';
import { networkKey, outputsKey, registryKey } from './identifiers.ts';
import { jobNamesKey } from './job-names.ts';
import { matrixKey } from './matrix.ts';
import { portKey } from './port.ts';
import { durationKey } from './quantities.ts';
import { retryKey } from './retry.ts';
import { scriptKey } from './script.ts';
import { secretsKey } from './secrets.ts';
import { cpusKey, imageKey, memoryKey, pullKey } from './service-keys.ts';
import { servicesKey } from './services.ts';
import { stringKey } from './string.ts';
import { userKey } from './user.ts';
import { cacheKey, volumesKey } from './volumes.ts';

export const jobKeys = {
  // Keys that pin also has.
  image: imageKey,
  dockerfile: stringKey('A Dockerfile in the workspace. The image is built from it before the job.'),
  host: booleanKey("Runs on the gateway's machine without a container, if the operator allows it."),
  script: scriptKey,
  soloExecution: booleanKey('Each item of the script runs in its own shell.'),
  errexit: booleanKey('The script ends at the first command that fails. Default: true.'),
  env: envKey,
  copyFiles: booleanKey('Copies the workspace to workDir before the start.'),
  copyIgnore: copyIgnoreKey,
  workDir: stringKey('Where commands run and files are copied to. Default: /root.'),
  port: portKey,
  artifactPath: stringKey('A file or folder to store after the job has succeeded.'),
  condition: conditionKey,
  parallel: booleanKey('Runs at the same time as adjacent jobs of the workflow that are also parallel.'),
  retry: retryKey,
  timeout: durationKey('Timeout of one attempt, in seconds or as a duration such as 5m.'),
  // Keys that pin does not have.
  needs: jobNamesKey('Jobs that must end before this one starts, wherever it is in the workflow.'),
  when: enumKey(
    'Whether the job runs if everything succeeded, only after a failure, or always.',
    ['success', 'failure', 'always'],
    { on_success: 'success', on_failure: 'failure' },
  ),
  allowFailure: booleanKey('A failure of the job does not fail the pipeline.'),
  matrix: matrixKey,
  outputs: outputsKey,
  secrets: secretsKey,
  services: servicesKey,
  volumes: volumesKey,
  cache: cacheKey,
  artifacts: artifactsKey,
  network: networkKey,
  memory: memoryKey,
  cpus: cpusKey,
  user: userKey,
  pull: pullKey,
  registry: registryKey,
};
