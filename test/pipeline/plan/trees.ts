// Pipelines as trees, for tests that begin behind the language.

import type { Job, Pipeline } from '../../../server/pipeline/language/tree.ts';

export const nowhere = { line: 1, column: 1, length: 1 } as const;

export type JobWish = Partial<Omit<Job, 'needs'>> & { readonly needs?: readonly string[] };

/** A job as the language gives one that says nothing but its image. */
export function jobOf(name: string, { needs, ...wish }: JobWish = {}): Job {
  return {
    name, place: nowhere, base: { type: 'image', image: 'busybox:latest', pull: 'missing' }, script: ['true'], soloExecution: false, errexit: true, env: {},
    copyFiles: false, copyIgnore: [], workDir: '/root', workDirWritten: false, ports: [], artifacts: [], parallel: false,
    retry: { attempts: 1, delayMs: 1_000, backoff: 1, jitter: 0 }, when: 'success', allowFailure: false, volumes: [], network: 'bridge', services: [],
    matrix: [], outputs: [], cache: [], secrets: [],
    ...(needs !== undefined && { needs: needs.map((need) => ({ name: need, place: nowhere })) }),
    ...wish,
  };
}

/** `workflow`: names, separated by spaces. */
export function pipelineOf(jobs: readonly Job[], { workflow, ...wish }: Partial<Omit<Pipeline, 'jobs' | 'workflow'>> & { readonly workflow?: string } = {}): Pipeline {
  return {
    logsWithTime: false, failFast: true, jobs, ...wish,
    ...(workflow !== undefined && { workflow: workflow.split(' ').map((name) => ({ name, place: nowhere })) }),
  };
}
