// Emits the events of each job and records its final state.

import type { PlannedJob } from '../../plan/plan.ts';
import type { PipelineEmitter } from '../events/emitter.ts';
import type { JobStatus, JobSummary, SkipReason } from '../events/events.ts';
import type { AttemptResult } from './scheduler.ts';

interface JobRecord {
  attempts: number;
  status: JobStatus;
  message?: string;
  exitCode?: number;
  reason?: SkipReason;
  /** RFC 3339. */
  startedAt?: string;
  endedAt?: string;
  /** Start of the first attempt (`performance.now()`). */
  startedMs?: number;
}

export class JobRecorder {
  readonly #records: ReadonlyMap<string, JobRecord>;
  readonly #jobs: readonly PlannedJob[];
  readonly #emit: PipelineEmitter['emit'];

  constructor(jobs: readonly PlannedJob[], emit: PipelineEmitter['emit']) {
    this.#jobs = jobs;
    this.#emit = emit;
    this.#records = new Map(jobs.map(({ id }): [string, JobRecord] => [id, { attempts: 0, status: 'cancelled' }]));
  }

  queued({ id }: PlannedJob): void {
    this.#emit({ type: 'job-queued', job: id });
  }

  started({ id, job }: PlannedJob, attempt: number): void {
    const record = this.#record(id);
    record.attempts = attempt;
    record.startedAt ??= new Date().toISOString();
    record.startedMs ??= performance.now();
    this.#emit({ type: 'job-started', job: id, attempt, attempts: job.retry.attempts });
  }

  retrying(
    { id, job }: PlannedJob,
    { attempt, delayMs, message }: { readonly attempt: number; readonly delayMs: number; readonly message: string },
  ): void {
    this.#emit({ type: 'job-retrying', job: id, attempt, attempts: job.retry.attempts, delayMs, message });
  }

  skipped(
    { id, job }: PlannedJob,
    { reason, failed }: { readonly reason: SkipReason; readonly failed?: string },
  ): void {
    Object.assign(this.#record(id), { status: 'skipped', reason });
    const condition = reason === 'condition' ? job.condition?.text : undefined;
    this.#emit({
      type: 'job-skipped',
      job: id,
      reason,
      ...(condition !== undefined && { condition }),
      ...(failed !== undefined && { failed }),
    });
  }

  ended({ id, job }: PlannedJob, end: AttemptResult, attempts: number): void {
    const record = this.#record(id);
    const { type: status, ...facts } = end;
    record.endedAt = new Date().toISOString();
    Object.assign(record, {
      status,
      ...('message' in facts && { message: facts.message }),
      ...('exitCode' in facts && { exitCode: facts.exitCode }),
    });
    this.#emit({
      type: 'job-ended',
      job: id,
      status,
      ...facts,
      attempts,
      attemptsMax: job.retry.attempts,
      durationMs: record.startedMs === undefined ? 0 : Math.round(performance.now() - record.startedMs),
      ...(status === 'failed' && job.allowFailure && { allowed: true }),
    });
  }

  /** In plan order. */
  summaries(): readonly JobSummary[] {
    return this.#jobs.map(({ id, name }) => {
      const { status, attempts, startedMs, ...more } = this.#record(id);
      return { id, name, status, attempts, ...more };
    });
  }

  #record(id: string): JobRecord {
    return this.#records.get(id)!;
  }
}
