// Tracks the jobs of a pipeline from the events of its run: state, current step and last lines of each job.

import type { Item } from '../../../protocol/client/client.ts';
import type { RunEvent } from '../../../protocol/messages.ts';
import { visibleText } from '../../../protocol/visible-text.ts';
import { printableValue } from '../call/format.ts';
import { describeRetry, describeSkip, describeStep } from '../call/pipeline-status.ts';

export type JobState = 'waiting' | 'queued' | 'running' | 'retrying' | 'succeeded' | 'failed' | 'cancelled' | 'skipped';

export interface JobProgress {
  readonly id: string;
  /** Ids of the jobs that this job depends on. */
  readonly after: readonly string[];
  readonly state: JobState;
  /** Start of the first attempt (`performance.now()`). */
  readonly startedMs?: number;
  readonly durationMs?: number;
  /** Current step, or the reason for the end. */
  readonly detail: string;
  /** True if the job failed and its failure is allowed. */
  readonly allowed: boolean;
  /** Last lines of output as a terminal shows them, oldest first. */
  readonly tail: readonly string[];
  /** The unfinished line after them, if the gateway has reported one. */
  readonly partial?: string | undefined;
}

/** Limits of the stored last lines. */
const tailLines = 20;
const tailChars = 2_000;

export class JobTracker {
  /** True if the pipeline asks for timestamps before lines. */
  logsWithTime = false;
  readonly #now: () => number;
  readonly #jobs = new Map<string, JobProgress>();
  #currentJob: string | undefined;
  #stream = 'stdout';

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** In plan order. */
  get jobs(): readonly JobProgress[] {
    return [...this.#jobs.values()];
  }

  /** The job that prints the current lines; undefined for lines of the run itself. */
  get currentJob(): string | undefined {
    return this.#currentJob;
  }

  get stream(): string {
    return this.#stream;
  }

  onItem(item: Item): void {
    if ('line' in item) this.#onLine(item.line);
    else if ('event' in item) this.#onEvent(item.event);
  }

  #onLine(line: string): void {
    const job = this.#currentJob === undefined ? undefined : this.#jobs.get(this.#currentJob);
    if (job !== undefined)
      this.#jobs.set(job.id, {
        ...job,
        tail: [...job.tail.slice(1 - tailLines), visibleText(line).slice(0, tailChars)],
        partial: undefined,
      });
  }

  #onEvent(event: RunEvent): void {
    const { type, job } = event;
    if (type === 'stream') {
      this.#currentJob = typeof job === 'string' ? job : undefined;
      this.#stream = printableValue(event['stream']);
    } else if (type === 'pipeline-planned') this.#onPlan(event);
    else if (typeof job === 'string') this.#onJobEvent(job, event);
  }

  #onPlan({ jobs, logsWithTime }: RunEvent): void {
    this.logsWithTime = logsWithTime === true;
    for (const planned of Array.isArray(jobs) ? jobs : []) {
      const { id, after } = planned as { id?: unknown; after?: unknown };
      if (typeof id === 'string')
        this.#jobs.set(id, createJob(id, Array.isArray(after) ? after.map(printableValue) : []));
    }
  }

  #onJobEvent(id: string, event: RunEvent): void {
    const job = this.#jobs.get(id) ?? createJob(id, []);
    this.#jobs.set(id, { ...job, ...this.#changesFor(job, event) });
  }

  #changesFor(job: JobProgress, event: RunEvent): Partial<JobProgress> {
    switch (event.type) {
      case 'partial':
        return typeof event['text'] === 'string' ? { partial: visibleText(event['text']).slice(0, tailChars) } : {};
      case 'job-queued':
        return { state: 'queued', detail: '' };
      case 'job-started':
        return { state: 'running', detail: '', startedMs: job.startedMs ?? this.#now() };
      case 'job-step':
        return { detail: describeStep(event) ?? job.detail };
      case 'job-retrying':
        return { state: 'retrying', detail: describeRetry(event) };
      case 'job-skipped':
        return { state: 'skipped', detail: describeSkip(event) };
      case 'job-ended':
        return endedFields(event);
      default:
        return {};
    }
  }
}

function createJob(id: string, after: readonly string[]): JobProgress {
  return { id, after, state: 'waiting', detail: '', allowed: false, tail: [] };
}

function endedFields({ status, message, durationMs, allowed }: RunEvent): Partial<JobProgress> {
  const state = status === 'succeeded' || status === 'cancelled' ? status : 'failed';
  return {
    state,
    detail: message === undefined ? '' : printableValue(message),
    durationMs: Number(durationMs) || 0,
    allowed: allowed === true,
  };
}
