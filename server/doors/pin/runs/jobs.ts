// The jobs of a run, as the events of its pipeline tell of them.

import type { PipelineEvent } from '../../../pipeline/run/events.ts';
import type { PinJob, PinStatus } from './record.ts';

export class Jobs {
  readonly #jobs = new Map<string, PinJob>();
  /** What each is called, by the id of its plan. */
  readonly #names = new Map<string, string>();

  /** Nothing comes of an event that is not of a job. */
  apply(event: PipelineEvent): void {
    switch (event.type) {
      case 'pipeline-planned':
        for (const { id, name } of event.jobs) this.#add(id, nameOf(id, name));
        return;
      case 'job-started': return this.#change(event.job, { status: 'running', attempts: event.attempt }, event.time);
      case 'job-skipped': return this.#change(event.job, { status: event.reason === 'cancelled' ? 'cancelled' : 'skipped' });
      case 'job-ended': {
        const { status, attempts, exitCode } = event;
        const exit = exitCode === undefined ? {} : { exit_code: exitCode };
        return this.#change(event.job, { status: status === 'succeeded' ? 'success' : status, attempts, ...exit, completed_at: event.time });
      }
      default: return undefined;
    }
  }

  /** The run is over: nothing of it goes on any more. */
  settle(status: PinStatus): void {
    for (const [id, job] of this.#jobs) {
      if (job.status === 'running') this.#jobs.set(id, { ...job, status: status === 'success' ? 'failed' : status });
      if (job.status === 'pending') this.#jobs.set(id, { ...job, status: status === 'cancelled' ? 'cancelled' : 'skipped' });
    }
  }

  nameOf(id: string): string {
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
    // The first of its tries.
    this.#jobs.set(id, { ...job, ...(job.started_at === undefined && startedAt !== undefined && { started_at: startedAt }), ...change });
  }
}

/** A job that is named a second time is called as it is spelled; one of a matrix by its values, too. */
function nameOf(id: string, name: string): string {
  return id.startsWith(`${name}#`) ? name : id;
}
