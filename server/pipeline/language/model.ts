// Types of the checked model of a pipeline: all keys are read, defaults are filled in, and units are converted. Plain
// data.

import type { PublishedPort } from '../../../calls/contract/containers.ts';
import type { SourceLocation } from '../../../calls/text/diagnostic.ts';
import type { Condition } from './condition.ts';

export type { SourceLocation } from '../../../calls/text/diagnostic.ts';

export interface Pipeline {
  /** Display name. */
  readonly name?: string;
  /** Whether clients show the time of each line. */
  readonly logsWithTime: boolean;
  /** As written in the file. The operator decides whether the gateway uses this engine. */
  readonly dockerHost?: string;
  /** After the first failure, only jobs with `when: failure` or `when: always` are started. */
  readonly failFast: boolean;
  /** Job names in order, repetitions included. Absent: all jobs run, ordered by their needs and then by the file. */
  readonly workflow?: readonly JobRef[];
  /** The jobs to run, in file order: those that the workflow names, each once, or all jobs if there is no workflow. */
  readonly jobs: readonly Job[];
}

/** A reference to a job, with its location. */
export interface JobRef {
  /** Same as `Job.name`. */
  readonly name: string;
  readonly location: SourceLocation;
}

export type JobBase =
  | {
      readonly type: 'image';
      readonly image: string;
      readonly pull: 'missing' | 'always' | 'never';
      /** Name of the secret with the login for the registry. */
      readonly registry?: string;
    }
  /** `path` is relative to the workspace. `registry` is the name of a secret. */
  | { readonly type: 'dockerfile'; readonly path: string; readonly registry?: string }
  | { readonly type: 'host' };

export interface Job {
  /** As spelled in the workflow; without a workflow, as spelled at the definition. Unique without regard to case. */
  readonly name: string;
  readonly location: SourceLocation;
  readonly base: JobBase;
  /** Commands. If empty, the job starts and ends at once. */
  readonly script: readonly string[];
  /** Whether each command runs in its own shell. */
  readonly soloExecution: boolean;
  readonly errexit: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly copyFiles: boolean;
  readonly copyIgnore: readonly IgnorePattern[];
  /** Absolute. Default: `/root`. For host jobs it may be relative to the workspace. */
  readonly workDir: string;
  readonly workDirWritten: boolean;
  readonly ports: readonly PublishedPort[];
  readonly artifactPath?: string;
  /** Globs, relative to `workDir` or absolute. */
  readonly artifacts: readonly string[];
  readonly condition?: Condition;
  readonly parallel: boolean;
  readonly retry: Retry;
  /** Timeout of one attempt. */
  readonly timeoutMs?: number;
  /** Absent: the position in the workflow decides. Empty: the job waits for no other job. */
  readonly needs?: readonly JobRef[];
  readonly when: 'success' | 'failure' | 'always';
  /** A failure of the job neither fails the pipeline nor stops other jobs. */
  readonly allowFailure: boolean;
  readonly volumes: readonly Volume[];
  /** Default: `bridge`. Any other name except `none` and `host` is a network of the run. */
  readonly network: string;
  readonly memoryBytes?: number;
  readonly cpus?: number;
  readonly user?: string;
  readonly services: readonly Service[];
  /** In file order. A job with a matrix is planned once per combination of its values. */
  readonly matrix: readonly Axis[];
  /** Each item leaves out the combinations that have all its values. Absent: none. */
  readonly matrixExclude?: readonly Readonly<Record<string, string>>[];
  /** Names of variables that the job passes to jobs that depend on it. */
  readonly outputs: readonly string[];
  readonly cache: readonly Cache[];
  readonly secrets: readonly SecretUse[];
}

/** A gitignore pattern, or a regular expression that may match anywhere in the relative path. */
export type IgnorePattern = { readonly gitignore: string } | { readonly expression: string };

/**
 * The delay before attempt n+1 is `delayMs * backoff^(n-1)`, but at most an hour. A random change of up to the fraction
 * `jitter` is then added or subtracted.
 */
export interface Retry {
  /** Maximum number of attempts, the first included. */
  readonly attempts: number;
  readonly delayMs: number;
  readonly backoff: number;
  /** A fraction from 0 to 1. */
  readonly jitter: number;
}

export interface Volume {
  /**
   * `name` is a volume of the run. `folder` is on the gateway's machine, absolute or relative to the folder of the
   * pipeline file.
   */
  readonly source: { readonly name: string } | { readonly folder: string };
  readonly path: string;
  readonly readOnly: boolean;
  readonly location: SourceLocation;
}

export interface Cache {
  readonly name: string;
  readonly path: string;
}

export interface Axis {
  readonly name: string;
  readonly values: readonly string[];
}

/** Sets the value of `secret` as the environment variable `variable`. */
export interface SecretUse {
  readonly variable: string;
  readonly secret: string;
  readonly location: SourceLocation;
}

/** The check, inside the container of a service, that shows whether the service is ready. */
export interface HealthCheck {
  /** One command line for `/bin/sh`. */
  readonly command: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly retries: number;
  /** Failures within this time after the start do not count. */
  readonly startMs: number;
}

/** A container beside the job, reachable by its name on the job's network while the job runs. */
export interface Service {
  readonly name: string;
  readonly image: string;
  readonly pull: 'missing' | 'always' | 'never';
  readonly registry?: string;
  readonly env: Readonly<Record<string, string>>;
  /** Absent: the command of the image is used. */
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  /** The job waits until the service is healthy. Absent: the job waits only until the service runs. */
  readonly health?: HealthCheck;
  readonly volumes: readonly Volume[];
  readonly memoryBytes?: number;
  readonly cpus?: number;
  readonly user?: string;
}
