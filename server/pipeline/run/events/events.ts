// Types of the events and the result of a pipeline. Documents, compat APIs and the command line use them.

/** Why a job did not run. `upstream_failed`: an earlier job failed, and this job runs only after success. */
export type SkipReason = 'condition' | 'upstream_failed' | 'nothing_failed' | 'cancelled';

export type JobStatus = 'succeeded' | 'failed' | 'cancelled' | 'skipped';

/** Progress of a job. The details of a step are fields beside `step`. */
export type JobStep =
  | { readonly step: 'image-available'; readonly image: string }
  | { readonly step: 'image-pulling'; readonly image: string }
  | { readonly step: 'image-pulled'; readonly image: string }
  | { readonly step: 'image-building'; readonly dockerfile: string }
  | { readonly step: 'image-built'; readonly image: string; readonly dockerfile: string }
  | { readonly step: 'service-starting' | 'service-healthy'; readonly service: string; readonly image: string }
  | { readonly step: 'container-creating' }
  | { readonly step: 'files-copied'; readonly files: number; readonly bytes: number }
  | { readonly step: 'container-starting' }
  | { readonly step: 'container-started'; readonly container: string; readonly image: string }
  | { readonly step: 'host-started' }
  | { readonly step: 'shell-started' }
  /** Only with `soloExecution`. Secrets in `command` are masked. `command` has at most 1000 characters. */
  | { readonly step: 'command-started'; readonly command: string }
  | { readonly step: 'script-succeeded' }
  | { readonly step: 'script-failed'; readonly exitCode?: number; readonly command?: string }
  | { readonly step: 'artifacts-kept'; readonly files: number; readonly bytes: number }
  | { readonly step: 'container-removing' }
  | { readonly step: 'container-removed' };

/** `job` is the plan id. Every event has a `time`: RFC 3339, in UTC, with milliseconds. */
export type PipelineEvent = { readonly time: string } & (
  | PipelinePlanned
  /** A warning about the file, or about the run. The pipeline runs anyway. */
  | { readonly type: 'pipeline-warning'; readonly message: string; readonly line?: number; readonly column?: number }
  /** All dependencies have ended. The job starts when fewer than `jobsMax` jobs run. */
  | { readonly type: 'job-queued'; readonly job: string }
  | { readonly type: 'job-started'; readonly job: string; readonly attempt: number; readonly attempts: number }
  | ({ readonly type: 'job-step'; readonly job: string } & JobStep)
  /** `attempt` failed; the next attempt starts after `delayMs`. */
  | {
      readonly type: 'job-retrying';
      readonly job: string;
      readonly attempt: number;
      readonly attempts: number;
      readonly delayMs: number;
      readonly message: string;
    }
  | {
      readonly type: 'job-skipped';
      readonly job: string;
      readonly reason: SkipReason;
      readonly condition?: string;
      /** Id of the first job that failed. */
      readonly failed?: string;
    }
  | JobEnded
);

/**
 * The jobs in plan order. A large plan is split into several events. Then `of` is the number of all jobs, and `from`
 * the number of jobs in earlier events.
 */
export interface PipelinePlanned {
  readonly type: 'pipeline-planned';
  readonly jobs: readonly PlannedJobSummary[];
  readonly logsWithTime: boolean;
  readonly from?: number;
  readonly of?: number;
}

export interface PlannedJobSummary {
  readonly id: string;
  readonly name: string;
  /** Ids of the jobs it waits for, at most the first 50. */
  readonly after: readonly string[];
  /** How many more jobs it waits for. */
  readonly afterMore?: number;
  readonly stage: number;
}

export interface JobEnded {
  readonly type: 'job-ended';
  readonly job: string;
  readonly status: 'succeeded' | 'failed' | 'cancelled';
  /** Why the job failed, for example `command execution failed (exit code 1)`. */
  readonly message?: string;
  readonly exitCode?: number;
  readonly oomKilled?: true;
  /** The command that failed. Only with `soloExecution`. */
  readonly command?: string;
  readonly attempts: number;
  readonly attemptsMax: number;
  readonly durationMs: number;
  /** The job failed, but `allowFailure` is set. */
  readonly allowed?: true;
}

/** The result of a pipeline, which is the `value` in the result of its run. */
export interface PipelineValue {
  readonly jobs: readonly JobSummary[];
  /** Outputs of all jobs, masked. */
  readonly outputs: Readonly<Record<string, string>>;
}

export interface JobSummary {
  readonly id: string;
  readonly name: string;
  readonly status: JobStatus;
  readonly attempts: number;
  readonly exitCode?: number;
  readonly message?: string;
  readonly reason?: SkipReason;
  readonly startedAt?: string;
  readonly endedAt?: string;
}
