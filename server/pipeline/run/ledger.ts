// What is told of each job, and what is known of it in the end.

import type { PlannedJob } from '../plan/plan.ts';
import type { TryEnd } from './board.ts';
import type { JobStatus, JobSummary, SkipReason } from './events.ts';
import type { Teller } from './tell.ts';

interface Entry {
  attempts: number;
  status: JobStatus;
  message?: string;
  exitCode?: number;
  reason?: SkipReason;
  /** Milliseconds since 1970. */
  startedAt?: number;
  endedAt?: number;
}

export class Ledger {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #jobs: readonly PlannedJob[];
  readonly #tell: Teller['tell'];

  constructor(jobs: readonly PlannedJob[], tell: Teller['tell']) {
    this.#jobs = jobs;
    this.#tell = tell;
    this.#entries = new Map(jobs.map(({ id }): [string, Entry] => [id, { attempts: 0, status: 'cancelled' }]));
  }

  queued({ id }: PlannedJob): void {
    this.#tell({ type: 'job-queued', job: id });
  }

  started({ id, job }: PlannedJob, attempt: number): void {
    const entry = this.#entry(id);
    entry.attempts = attempt;
    entry.startedAt ??= Date.now();
    this.#tell({ type: 'job-started', job: id, attempt, attempts: job.retry.attempts });
  }

  retrying({ id, job }: PlannedJob, { attempt, delayMs, message }: { readonly attempt: number; readonly delayMs: number; readonly message: string }): void {
    this.#tell({ type: 'job-retrying', job: id, attempt, attempts: job.retry.attempts, delayMs, message });
  }

  skipped({ id, job }: PlannedJob, { reason, failed }: { readonly reason: SkipReason; readonly failed?: string }): void {
    Object.assign(this.#entry(id), { status: 'skipped', reason });
    const condition = reason === 'condition' ? job.condition?.text : undefined;
    this.#tell({ type: 'job-skipped', job: id, reason, ...(condition !== undefined && { condition }), ...(failed !== undefined && { failed }) });
  }

  ended({ id, job }: PlannedJob, end: TryEnd, attempts: number): void {
    const entry = this.#entry(id);
    const { type: status, ...facts } = end;
    entry.endedAt = Date.now();
    Object.assign(entry, { status, ...('message' in facts && { message: facts.message }), ...('exitCode' in facts && { exitCode: facts.exitCode }) });
    this.#tell({
      type: 'job-ended', job: id, status, ...facts, attempts, attemptsMax: job.retry.attempts,
      durationMs: entry.endedAt - (entry.startedAt ?? entry.endedAt), ...(status === 'failed' && job.allowFailure && { allowed: true }),
    });
  }

  /** In the order of the plan. */
  summaries(): readonly JobSummary[] {
    return this.#jobs.map(({ id, name }) => {
      const { status, attempts, startedAt, endedAt, ...more } = this.#entry(id);
      return { id, name, status, attempts, ...more, ...(startedAt !== undefined && { startedAt: iso(startedAt) }), ...(endedAt !== undefined && { endedAt: iso(endedAt) }) };
    });
  }

  #entry(id: string): Entry {
    return this.#entries.get(id)!;
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
