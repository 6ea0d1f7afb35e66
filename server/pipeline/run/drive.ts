// Performs what the board says: starts tries, waits between them, tells, and sees to it that nothing goes on when one thing went wrong.

import type { Plan, PlannedJob } from '../plan/plan.ts';
import { Board, type Effect, type TryEnd } from './board.ts';
import type { JobSummary } from './events.ts';
import { Ledger } from './ledger.ts';
import { retryDelayMs } from './retry.ts';
import type { Teller } from './tell.ts';

export interface DriveParts {
  /** Jobs at once. */
  readonly width: number;
  /** Aborted when the run is to stop. */
  readonly signal: AbortSignal;
  /**
   * One complete try of a job. Resolves when nothing of it is there any more. Rejects when its end was not seen, and for mistakes of ours: then everything
   * else is stopped by `signal`, which is aborted for the run's reasons, too.
   */
  tryJob(job: PlannedJob, attempt: number, signal: AbortSignal): Promise<TryEnd>;
  /** Whether its condition holds now. */
  holds(job: PlannedJob): boolean;
  readonly tell: Teller['tell'];
  /** Resolves when the time is over, or at once when the signal is aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  /** From 0 to 1. */
  random(): number;
}

export interface Driven {
  /** In the order of the plan. */
  readonly jobs: readonly JobSummary[];
  /** The job that failed first, of those that may not. */
  readonly failed?: JobSummary;
}

/** Resolves when every job is over. Rejects with what the first try has rejected with, when all others are over, too. */
export async function drive(plan: Pick<Plan, 'jobs' | 'pipeline'>, parts: DriveParts): Promise<Driven> {
  const driver = new Driver(plan, parts);
  await driver.run();
  const { failed, jobs } = driver.result();
  return { jobs, ...(failed !== undefined && { failed }) };
}

class Driver {
  readonly #board: Board;
  readonly #ledger: Ledger;
  readonly #parts: DriveParts;
  /** Aborted when a try has rejected. */
  readonly #fault = new AbortController();
  readonly #signal: AbortSignal;
  readonly #flows = new Set<Promise<void>>();
  #error: { readonly cause: unknown } | undefined;

  constructor(plan: Pick<Plan, 'jobs' | 'pipeline'>, parts: DriveParts) {
    this.#parts = parts;
    this.#board = new Board(plan, { width: parts.width, holds: parts.holds });
    this.#ledger = new Ledger(plan.jobs, parts.tell);
    this.#signal = AbortSignal.any([parts.signal, this.#fault.signal]);
  }

  async run(): Promise<void> {
    const stop = (): void => this.#perform(this.#board.stop());
    this.#signal.addEventListener('abort', stop, { once: true });
    this.#perform(this.#signal.aborted ? this.#board.stop() : this.#board.begin());
    // Those that follow from others are in the set before these are over.
    while (this.#flows.size > 0) await Promise.race(this.#flows);
    this.#signal.removeEventListener('abort', stop);
    if (this.#error !== undefined) throw this.#error.cause;
    if (!this.#board.over) throw new Error('jobs are left over that nobody will start');
  }

  result(): { readonly jobs: readonly JobSummary[]; readonly failed: JobSummary | undefined } {
    const jobs = this.#ledger.summaries();
    return { jobs, failed: jobs.find(({ id }) => id === this.#board.failed) };
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) this.#performOne(effect);
  }

  #performOne(effect: Effect): void {
    switch (effect.type) {
      case 'queue': return this.#ledger.queued(effect.job);
      case 'start': return this.#goOn(this.#try(effect.job, effect.attempt));
      case 'retry': return this.#goOn(this.#waitFor(effect));
      case 'skip': return this.#ledger.skipped(effect.job, effect);
      case 'end': return this.#ledger.ended(effect.job, effect.end, effect.attempts);
      default: return effect satisfies never;
    }
  }

  #goOn(flow: Promise<void>): void {
    const kept = flow.finally(() => this.#flows.delete(kept));
    this.#flows.add(kept);
  }

  async #try(job: PlannedJob, attempt: number): Promise<void> {
    this.#ledger.started(job, attempt);
    const end = await this.#endOf(job, attempt);
    this.#perform(this.#board.tried(job.id, end));
  }

  async #endOf(job: PlannedJob, attempt: number): Promise<TryEnd> {
    try {
      return await this.#parts.tryJob(job, attempt, this.#signal);
    } catch (cause) {
      this.#error ??= { cause };
      this.#fault.abort();
      return { type: 'failed', message: cause instanceof Error && cause.name === 'WorkLost' ? cause.message : 'unknown error' };
    }
  }

  async #waitFor({ job, attempt, message }: Extract<Effect, { type: 'retry' }>): Promise<void> {
    const delayMs = retryDelayMs(job.job.retry, attempt, this.#parts.random());
    this.#ledger.retrying(job, { attempt, delayMs, message });
    await this.#parts.wait(delayMs, this.#signal);
    this.#perform(this.#board.due(job.id));
  }
}
