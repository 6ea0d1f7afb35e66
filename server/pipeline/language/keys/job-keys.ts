// The keys of a job: the explicit list.

import { durationKey } from './amounts.ts';
import { artifactsKey } from './artifacts.ts';
import { choiceKey } from './choice.ts';
import { conditionKey } from './condition.ts';
import { copyIgnoreKey } from './copy-ignore.ts';
import { envKey } from './env.ts';
import { flagKey } from './flag.ts';
import { matrixKey } from './matrix.ts';
import { mentionsKey } from './mentions.ts';
import { networkKey, outputsKey, registryKey } from './names.ts';
import { portKey } from './port.ts';
import { retryKey } from './retry.ts';
import { scriptKey } from './script.ts';
import { secretsKey } from './secrets.ts';
import { cpusKey, imageKey, memoryKey, pullKey } from './service-keys.ts';
import { servicesKey } from './services.ts';
import { textKey } from './text.ts';
import { userKey } from './user.ts';
import { cacheKey, volumesKey } from './volumes.ts';

export const jobKeys = {
  // pin's
  image: imageKey,
  dockerfile: textKey('A Dockerfile of the workspace; the image is built of it before the job.'),
  host: flagKey('Runs on the machine of the gateway, without a container, where the operator allows it.'),
  script: scriptKey,
  soloExecution: flagKey('Each item of the script has a shell of its own.'),
  errexit: flagKey('The script ends at the first command that fails; true when not written.'),
  env: envKey,
  copyFiles: flagKey('The workspace is copied into workDir before the start.'),
  copyIgnore: copyIgnoreKey,
  workDir: textKey('Where commands run, and files are copied to; /root when not written.'),
  port: portKey,
  artifactPath: textKey('A file or folder that is kept after the job has succeeded.'),
  condition: conditionKey,
  parallel: flagKey('Runs beside the jobs next to it in the workflow that are parallel, too.'),
  retry: retryKey,
  timeout: durationKey('One try fails after so many seconds, or a duration such as 5m.'),
  // ours
  needs: mentionsKey('Jobs that have to be over before this one starts, wherever it stands in the workflow.'),
  when: choiceKey('Whether it runs when all went well, only after a failure, or in any case.', ['success', 'failure', 'always']),
  allowFailure: flagKey('Its failure does not make the pipeline fail.'),
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
