// What is known of a pipeline's jobs so far, from what its run tells: which line is whose, what each job does, and its last lines.

import type { Item } from '../../../protocol/client.ts';
import type { RunEvent } from '../../../protocol/messages.ts';
import { describeRetry, describeSkip, describeStep } from '../call/pipeline-status.ts';
import { fact } from '../call/words.ts';

export type JobState = 'waiting' | 'queued' | 'running' | 'retrying' | 'succeeded' | 'failed' | 'cancelled' | 'skipped';

export interface JobSoFar {
  readonly id: string;
  /** Ids of those it waits for. */
  readonly after: readonly string[];
  readonly state: JobState;
  /** By the clock of this machine, of the first attempt. */
  readonly startedAt?: number;
  readonly durationMs?: number;
  /** What it does, or how it came to its end. */
  readonly detail: string;
  /** It failed, and may. */
  readonly allowed: boolean;
  /** The last lines it printed, oldest first. */
  readonly tail: readonly string[];
}

/** Lines of one job that are remembered, and characters of each. */
const tailLines = 20;
const tailChars = 2_000;

export class Story {
  /** Lines are to be shown with the time. */
  logsWithTime = false;
  readonly #now: () => number;
  readonly #jobs = new Map<string, JobSoFar>();
  #speaks: string | undefined;
  #stream = 'stdout';

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** In the order of the plan. */
  get jobs(): readonly JobSoFar[] {
    return [...this.#jobs.values()];
  }

  /** The job whose lines come now; undefined for those of the run itself. */
  get speaks(): string | undefined {
    return this.#speaks;
  }

  get stream(): string {
    return this.#stream;
  }

  take(item: Item): void {
    if ('line' in item) this.#heardLine(item.line);
    else if ('event' in item) this.#heardEvent(item.event);
  }

  #heardLine(line: string): void {
    const job = this.#speaks === undefined ? undefined : this.#jobs.get(this.#speaks);
    if (job !== undefined) this.#jobs.set(job.id, { ...job, tail: [...job.tail.slice(1 - tailLines), line.slice(0, tailChars)] });
  }

  #heardEvent(event: RunEvent): void {
    const { type, job } = event;
    if (type === 'stream') {
      this.#speaks = typeof job === 'string' ? job : undefined;
      this.#stream = fact(event['stream']);
    } else if (type === 'pipeline-planned') this.#planned(event);
    else if (typeof job === 'string') this.#heardOf(job, event);
  }

  #planned({ jobs, logsWithTime }: RunEvent): void {
    this.logsWithTime = logsWithTime === true;
    for (const planned of Array.isArray(jobs) ? jobs : []) {
      const { id, after } = planned as { id?: unknown; after?: unknown };
      if (typeof id === 'string') this.#jobs.set(id, unheard(id, Array.isArray(after) ? after.map(fact) : []));
    }
  }

  #heardOf(id: string, event: RunEvent): void {
    const job = this.#jobs.get(id) ?? unheard(id, []);
    this.#jobs.set(id, { ...job, ...this.#change(job, event) });
  }

  #change(job: JobSoFar, event: RunEvent): Partial<JobSoFar> {
    switch (event.type) {
      case 'job-queued': return { state: 'queued', detail: '' };
      case 'job-started': return { state: 'running', detail: '', startedAt: job.startedAt ?? this.#now() };
      case 'job-step': return { detail: describeStep(event) ?? job.detail };
      case 'job-retrying': return { state: 'retrying', detail: describeRetry(event) };
      case 'job-skipped': return { state: 'skipped', detail: describeSkip(event) };
      case 'job-ended': return ended(event);
      default: return {};
    }
  }
}

function unheard(id: string, after: readonly string[]): JobSoFar {
  return { id, after, state: 'waiting', detail: '', allowed: false, tail: [] };
}

function ended({ status, message, durationMs, allowed }: RunEvent): Partial<JobSoFar> {
  const state = status === 'succeeded' || status === 'cancelled' ? status : 'failed';
  return { state, detail: message === undefined ? '' : fact(message), durationMs: Number(durationMs) || 0, allowed: allowed === true };
}
