// What a pipeline tells while it runs, as events of its run's log, and what it comes to. Docs, doors and the command line read these shapes.

/** Why a job did not run. `upstream_failed`: an earlier one did, and this one is not for that. */
export type SkipReason = 'condition' | 'upstream_failed' | 'nothing_failed' | 'cancelled';

export type JobStatus = 'succeeded' | 'failed' | 'cancelled' | 'skipped';

/** What a job is doing. Facts of a step stand beside it. */
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
  /** With `soloExecution`; `command` is its text, masked, of at most 1000 characters. */
  | { readonly step: 'command-started'; readonly command: string }
  | { readonly step: 'script-succeeded' }
  | { readonly step: 'script-failed'; readonly exitCode?: number; readonly command?: string }
  | { readonly step: 'artifacts-kept'; readonly files: number; readonly bytes: number }
  | { readonly step: 'container-removing' }
  | { readonly step: 'container-removed' };

/** `job` is the id of the plan. `time` is RFC 3339 in UTC with milliseconds, and stands in every one of them. */
export type PipelineEvent = { readonly time: string } & (
  | PipelinePlanned
  /** Something in the file that is worth a word; it is run all the same. */
  | { readonly type: 'pipeline-warning'; readonly message: string; readonly line?: number; readonly column?: number }
  /** All it waited for is over; it starts as soon as there is a place for it. */
  | { readonly type: 'job-queued'; readonly job: string }
  | { readonly type: 'job-started'; readonly job: string; readonly attempt: number; readonly attempts: number }
  | ({ readonly type: 'job-step'; readonly job: string } & JobStep)
  /** `attempt` has failed; the next one starts after `delayMs`. */
  | { readonly type: 'job-retrying'; readonly job: string; readonly attempt: number; readonly attempts: number; readonly delayMs: number; readonly message: string }
  | { readonly type: 'job-skipped'; readonly job: string; readonly reason: SkipReason; readonly condition?: string; /** The id of the first that did. */ readonly failed?: string }
  | JobEnded);

/** In the order of the plan. Of many jobs there are several of these, one after another: then `from` of `of` jobs came before. */
export interface PipelinePlanned {
  readonly type: 'pipeline-planned';
  readonly jobs: readonly ToldPlan[];
  readonly logsWithTime: boolean;
  readonly from?: number;
  readonly of?: number;
}

export interface ToldPlan {
  readonly id: string;
  readonly name: string;
  /** Of more than 50 the first ones. */
  readonly after: readonly string[];
  /** How many more it waits for. */
  readonly afterMore?: number;
  readonly stage: number;
}

export interface JobEnded {
  readonly type: 'job-ended';
  readonly job: string;
  readonly status: 'succeeded' | 'failed' | 'cancelled';
  /** Why it failed, e.g. `command execution failed (exit code 1)`. */
  readonly message?: string;
  readonly exitCode?: number;
  readonly oomKilled?: true;
  /** The command that failed, with `soloExecution`. */
  readonly command?: string;
  readonly attempts: number;
  readonly attemptsMax: number;
  readonly durationMs: number;
  /** It failed, and may: `allowFailure`. */
  readonly allowed?: true;
}

/** What a pipeline comes to: the `value` of its run's result. */
export interface PipelineValue {
  readonly jobs: readonly JobSummary[];
  /** What jobs handed on, masked. */
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
