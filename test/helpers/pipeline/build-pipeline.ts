// Builds checked pipelines, for tests that do not need the language.

import type { Job, Pipeline } from '../../../server/pipeline/language/model.ts';

const nowhere = { line: 1, column: 1, length: 1 } as const;

export type JobFields = Partial<Omit<Job, 'needs'>> & { readonly needs?: readonly string[] };

/** Creates a job as the language returns it for a text with only an image. */
export function createJob(name: string, { needs, ...fields }: JobFields = {}): Job {
  return {
    name,
    location: nowhere,
    base: { type: 'image', image: 'busybox:latest', pull: 'missing' },
    script: ['true'],
    soloExecution: false,
    errexit: true,
    env: {},
    copyFiles: false,
    copyIgnore: [],
    workDir: '/root',
    workDirWritten: false,
    ports: [],
    artifacts: [],
    parallel: false,
    retry: { attempts: 1, delayMs: 1_000, backoff: 1, jitter: 0 },
    when: 'success',
    allowFailure: false,
    volumes: [],
    network: 'bridge',
    services: [],
    matrix: [],
    outputs: [],
    cache: [],
    secrets: [],
    ...(needs !== undefined && { needs: needs.map((need) => ({ name: need, location: nowhere })) }),
    ...fields,
  };
}

/** Creates a pipeline. `workflow` is a list of job names, separated by spaces. */
export function createPipeline(
  jobs: readonly Job[],
  { workflow, ...fields }: Partial<Omit<Pipeline, 'jobs' | 'workflow'>> & { readonly workflow?: string } = {},
): Pipeline {
  return {
    logsWithTime: false,
    failFast: true,
    jobs,
    ...fields,
    ...(workflow !== undefined && { workflow: workflow.split(' ').map((name) => ({ name, location: nowhere })) }),
  };
}
