// Performs the effects of the scheduler: starts attempts, delays retries, emits events, and stops all jobs after an
// internal error.

import type { Plan, PlannedJob } from '../../plan/plan.ts';
import type { PipelineEmitter } from '../events/emitter.ts';
import type { JobSummary } from '../events/events.ts';
import { JobRecorder } from './job-recorder.ts';
import { retryDelayMs } from './retry-delay.ts';
import { type AttemptResult, Scheduler, type SchedulerEffect } from './scheduler.ts';

export interface DispatcherDeps {
  /** Maximum number of jobs that run at once. */
  readonly maxParallel: number;
  /** Aborted when the run is stopping. Then only jobs with `when: always` start. */
  readonly signal: AbortSignal;
  /** Aborted when even the jobs with `when: always` have to end. */
  readonly finalSignal: AbortSignal;
  /**
   * Runs one attempt of a job. `signal` is aborted when the job has to end. Resolves when everything that the attempt
   * opened is released. Rejects if the end was not observed, or for internal errors. Then all other attempts are
   * aborted, except those of jobs with `when: always`.
   */
  runAttempt(job: PlannedJob, attempt: number, signal: AbortSignal): Promise<AttemptResult>;
  /** Returns whether the condition of the job is true. */
  conditionHolds(job: PlannedJob): boolean;
  readonly emit: PipelineEmitter['emit'];
  /** Resolves after `ms` milliseconds, or at once if the signal is aborted. */
  delay(ms: number, signal: AbortSignal): Promise<void>;
  /** Returns a number from 0 to 1. */
  random(): number;
}

export interface PlanResult {
  /** In plan order. */
  readonly jobs: readonly JobSummary[];
  /** The first job that failed without `allowFailure`. */
  readonly failed?: JobSummary;
}

/**
 * Resolves when every job has ended. If an attempt rejects, rejects with the first rejection after all other attempts
 * have ended.
 */
export async function runJobs(plan: Pick<Plan, 'jobs' | 'pipeline'>, deps: DispatcherDeps): Promise<PlanResult> {
  const dispatcher = new Dispatcher(plan, deps);
  await dispatcher.run();
  const { failed, jobs } = dispatcher.result();
  return { jobs, ...(failed !== undefined && { failed }) };
}

class Dispatcher {
  readonly #scheduler: Scheduler;
  readonly #recorder: JobRecorder;
  readonly #deps: DispatcherDeps;
  /** Aborted when an attempt rejects. */
  readonly #abortAll = new AbortController();
  readonly #signals: { readonly [which in 'unneeded' | 'all']: AbortSignal };
  readonly #pending = new Set<Promise<void>>();
  #error: { readonly cause: unknown } | undefined;

  constructor(plan: Pick<Plan, 'jobs' | 'pipeline'>, deps: DispatcherDeps) {
    this.#deps = deps;
    this.#scheduler = new Scheduler(plan, { maxParallel: deps.maxParallel, conditionHolds: deps.conditionHolds });
    this.#recorder = new JobRecorder(plan.jobs, deps.emit);
    this.#signals = {
      unneeded: AbortSignal.any([deps.signal, deps.finalSignal, this.#abortAll.signal]),
      all: deps.finalSignal,
    };
  }

  async run(): Promise<void> {
    const { unneeded, all } = this.#signals;
    const stopUnneeded = (): void => this.#perform(this.#scheduler.stop('unneeded'));
    const stopAll = (): void => this.#perform(this.#scheduler.stop('all'));
    unneeded.addEventListener('abort', stopUnneeded, { once: true });
    all.addEventListener('abort', stopAll, { once: true });
    // If the run was stopped before its first job, skip the jobs with `when: always` also: there is nothing to clean
    // up.
    if (unneeded.aborted) this.#perform(this.#scheduler.stop('all'));
    this.#perform(this.#scheduler.start());
    // Every promise in the set adds its follow-up work to the set before it settles, so an empty set means that no work
    // is left.
    while (this.#pending.size > 0) await Promise.race(this.#pending);
    unneeded.removeEventListener('abort', stopUnneeded);
    all.removeEventListener('abort', stopAll);
    if (this.#error !== undefined) throw this.#error.cause;
    if (!this.#scheduler.done) throw new Error('the scheduler has no effects left, but some jobs have not ended');
  }

  result(): { readonly jobs: readonly JobSummary[]; readonly failed: JobSummary | undefined } {
    const jobs = this.#recorder.summaries();
    return { jobs, failed: jobs.find(({ id }) => id === this.#scheduler.firstFailed) };
  }

  #perform(effects: readonly SchedulerEffect[]): void {
    for (const effect of effects) this.#performOne(effect);
  }

  #performOne(effect: SchedulerEffect): void {
    switch (effect.type) {
      case 'queue':
        return this.#recorder.queued(effect.job);
      case 'start':
        return this.#track(this.#startAttempt(effect.job, effect.attempt));
      case 'retry':
        return this.#track(this.#delayRetry(effect));
      case 'skip':
        return this.#recorder.skipped(effect.job, effect);
      case 'end':
        return this.#recorder.ended(effect.job, effect.result, effect.attempts);
      default:
        return effect satisfies never;
    }
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }

  async #startAttempt(job: PlannedJob, attempt: number): Promise<void> {
    this.#recorder.started(job, attempt);
    const result = await this.#runAttempt(job, attempt);
    this.#perform(this.#scheduler.attemptEnded(job.id, result));
  }

  #signalOf({ job }: PlannedJob): AbortSignal {
    return job.when === 'always' ? this.#signals.all : this.#signals.unneeded;
  }

  async #runAttempt(job: PlannedJob, attempt: number): Promise<AttemptResult> {
    try {
      return await this.#deps.runAttempt(job, attempt, this.#signalOf(job));
    } catch (cause) {
      this.#error ??= { cause };
      this.#abortAll.abort();
      return {
        type: 'failed',
        message: cause instanceof Error && cause.name === 'WorkLost' ? cause.message : 'unknown error',
      };
    }
  }

  async #delayRetry({ job, attempt, message }: Extract<SchedulerEffect, { type: 'retry' }>): Promise<void> {
    const delayMs = retryDelayMs(job.job.retry, attempt, this.#deps.random());
    this.#recorder.retrying(job, { attempt, delayMs, message });
    await this.#deps.delay(delayMs, this.#signalOf(job));
    this.#perform(this.#scheduler.retryDue(job.id));
  }
}
