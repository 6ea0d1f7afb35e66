// Tracks the state of the jobs of a run from its pipeline events.

import type { PipelineEvent } from '../../../pipeline/run/events/events.ts';
import type { PinJob, PinStatus } from './record.ts';

export class JobTracker {
  readonly #jobs = new Map<string, PinJob>();
  /** Display names by the id in the plan. */
  readonly #names = new Map<string, string>();

  /** Applies an event of a job; ignores all other events. */
  apply(event: PipelineEvent): void {
    switch (event.type) {
      case 'pipeline-planned':
        for (const { id, name } of event.jobs) this.#add(id, formatName(id, name));
        return;
      case 'job-started':
        return this.#change(event.job, { status: 'running', attempts: event.attempt }, event.time);
      case 'job-skipped':
        return this.#change(event.job, { status: event.reason === 'cancelled' ? 'cancelled' : 'skipped' });
      case 'job-ended': {
        const { status, attempts, exitCode } = event;
        const exit = exitCode === undefined ? {} : { exit_code: exitCode };
        return this.#change(event.job, {
          status: status === 'succeeded' ? 'success' : status,
          attempts,
          ...exit,
          completed_at: event.time,
        });
      }
      default:
        return undefined;
    }
  }

  /** Ends all jobs that have not ended yet. Call this when the run has ended. */
  settle(status: PinStatus): void {
    for (const [id, job] of this.#jobs) {
      if (job.status === 'running') this.#jobs.set(id, { ...job, status: status === 'success' ? 'failed' : status });
      if (job.status === 'pending')
        this.#jobs.set(id, { ...job, status: status === 'cancelled' ? 'cancelled' : 'skipped' });
    }
  }

  displayName(id: string): string {
    return this.#names.get(id) ?? id;
  }

  /** In the order of the plan. */
  list(): readonly PinJob[] {
    return [...this.#jobs.values()];
  }

  #add(id: string, name: string): void {
    this.#names.set(id, name);
    this.#jobs.set(id, { name, status: 'pending', attempts: 0 });
  }

  #change(id: string, change: Partial<PinJob>, startedAt?: string): void {
    if (!this.#jobs.has(id)) this.#add(id, id);
    const job = this.#jobs.get(id)!;
    // Keep the start of the first attempt.
    this.#jobs.set(id, {
      ...job,
      ...(job.started_at === undefined && startedAt !== undefined && { started_at: startedAt }),
      ...change,
    });
  }
}

/**
 * Returns the name as spelled in the file for a job that the workflow lists twice. Otherwise returns the id, which
 * contains the matrix values.
 */
function formatName(id: string, name: string): string {
  return id.startsWith(`${name}#`) ? name : id;
}
