// A pipeline as it was written, checked: every key read once, defaults filled in, words turned into numbers. Plain data.

import type { HealthCheck, PublishedPort } from '../../../calls/contract/containers.ts';
import type { Condition } from './condition.ts';
import type { Place } from './place.ts';

export type { Place } from './place.ts';

export interface Pipeline {
  /** Lines are shown with the time. */
  readonly logsWithTime: boolean;
  /** As written; whether it counts is the operator's to say. */
  readonly dockerHost?: string;
  /** After the first failure nothing more is started but jobs that are for it (`when`). */
  readonly failFast: boolean;
  /** The names in their order, as often as they stand there; absent: all jobs, in the order of the file, in the order their needs give. */
  readonly workflow?: readonly Mention[];
  /** Those that are to run: of a workflow the ones it names, each once; else all. In the order of the file. */
  readonly jobs: readonly Job[];
}

/** The name of a job, as it stands where it is named. */
export interface Mention {
  /** As `Job.name`. */
  readonly name: string;
  readonly place: Place;
}

export type Base =
  | { readonly type: 'image'; readonly image: string; readonly pull: 'missing' | 'always' | 'never'; /** Name of a secret. */ readonly registry?: string }
  /** Path in the workspace. */
  | { readonly type: 'dockerfile'; readonly path: string; readonly registry?: string }
  | { readonly type: 'host' };

export interface Job {
  /** As spelled in the workflow, or, without one, as it is defined. Unique without regard to case. */
  readonly name: string;
  readonly place: Place;
  readonly base: Base;
  /** Commands; empty: the job starts and ends at once. */
  readonly script: readonly string[];
  /** One fresh shell for each command. */
  readonly soloExecution: boolean;
  readonly errexit: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly copyFiles: boolean;
  readonly copyIgnore: readonly IgnorePattern[];
  /** Absolute, `/root` when not written. Of a job on the host it may be relative to the workspace. */
  readonly workDir: string;
  readonly workDirWritten: boolean;
  readonly ports: readonly PublishedPort[];
  readonly artifactPath?: string;
  /** Globs, relative to `workDir` or absolute. */
  readonly artifacts: readonly string[];
  readonly condition?: Condition;
  readonly parallel: boolean;
  readonly retry: Retry;
  /** Of one attempt. */
  readonly timeoutMs?: number;
  /** Absent: its place in the workflow decides. Empty: it waits for nobody. */
  readonly needs?: readonly Mention[];
  readonly when: 'success' | 'failure' | 'always';
  /** Its failure does not make the pipeline fail, and stops nobody. */
  readonly allowFailure: boolean;
  readonly volumes: readonly Volume[];
  /** `bridge` when not written; any other name but `none` and `host` is a network of the run. */
  readonly network: string;
  readonly memoryBytes?: number;
  readonly cpus?: number;
  readonly user?: string;
  readonly services: readonly Service[];
  /** In the order of the file. A job with a matrix is planned once for each combination of values. */
  readonly matrix: readonly Axis[];
  /** Names of variables that it hands to the jobs after it. */
  readonly outputs: readonly string[];
  readonly cache: readonly Cache[];
  readonly secrets: readonly SecretUse[];
}

/** A gitignore pattern, or a regular expression that is looked for anywhere in the relative path. */
export type IgnorePattern = { readonly gitignore: string } | { readonly expression: string };

/** Wait before try n+1: `delayMs * backoff^(n-1)`, at most an hour, and then up to `jitter` times that longer or shorter. */
export interface Retry {
  /** All tries together. */
  readonly attempts: number;
  readonly delayMs: number;
  readonly backoff: number;
  /** From 0 to 1. */
  readonly jitter: number;
}

export interface Volume {
  /** `name`: a volume of the run. `folder`: absolute, or relative to the folder of the file, on the gateway's machine. */
  readonly source: { readonly name: string } | { readonly folder: string };
  readonly path: string;
  readonly readOnly: boolean;
  readonly place: Place;
}

export interface Cache {
  readonly name: string;
  readonly path: string;
}

export interface Axis {
  readonly name: string;
  readonly values: readonly string[];
}

/** The secret `secret` is in the environment as `variable`. */
export interface SecretUse {
  readonly variable: string;
  readonly secret: string;
  readonly place: Place;
}

/** A container beside the job, found by its name on the job's network while the job runs. */
export interface Service {
  readonly name: string;
  readonly image: string;
  readonly pull: 'missing' | 'always' | 'never';
  readonly registry?: string;
  readonly env: Readonly<Record<string, string>>;
  /** Absent: the image's own. */
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  /** The job waits until it is healthy; without one until it runs. */
  readonly health?: HealthCheck;
  readonly volumes: readonly Volume[];
  readonly memoryBytes?: number;
  readonly cpus?: number;
  readonly user?: string;
}
