// Passes outputs and artifacts of jobs to the jobs that depend on them, directly or indirectly.

import type { PlannedJob } from '../../plan/plan.ts';

export interface UpstreamResults {
  readonly outputs: Readonly<Record<string, string>>;
  /** Ids of jobs with artifacts. Files of a later job replace those of an earlier one. */
  readonly artifacts: readonly string[];
}

const noResults: UpstreamResults = { outputs: {}, artifacts: [] };

export class JobResults {
  readonly #jobs: ReadonlyMap<string, Pick<PlannedJob, 'after'>>;
  readonly #own = new Map<string, UpstreamResults>();
  /** What each job passes on: its own results and those that it received. */
  readonly #downstream = new Map<string, UpstreamResults>();
  /** Cached per list, because jobs with the same dependencies share one list. */
  readonly #upstream = new WeakMap<readonly string[], UpstreamResults>();

  constructor(jobs: readonly Pick<PlannedJob, 'id' | 'after'>[]) {
    this.#jobs = new Map(jobs.map((job) => [job.id, job]));
  }

  /**
   * Returns the results that reach a job. Call this only when all dependencies of the job have ended, because the
   * result is cached.
   */
  upstreamOf({ after }: Pick<PlannedJob, 'after'>): UpstreamResults {
    const known = this.#upstream.get(after);
    if (known !== undefined) return known;
    const results = merge(after.map((id) => this.#downstreamOf(id)));
    this.#upstream.set(after, results);
    return results;
  }

  /** Removes the results of an earlier attempt. Call this only before the job has ended. */
  clear(id: string): void {
    this.#own.delete(id);
  }

  has(id: string): boolean {
    return this.#own.has(id);
  }

  /** Records the results of an attempt. */
  record(id: string, own: UpstreamResults): void {
    this.#own.set(id, own);
  }

  #downstreamOf(id: string): UpstreamResults {
    const known = this.#downstream.get(id);
    if (known !== undefined) return known;
    const upstream = this.upstreamOf(this.#jobs.get(id)!);
    const own = this.#own.get(id);
    const downstream = own === undefined ? upstream : merge([upstream, own]);
    this.#downstream.set(id, downstream);
    return downstream;
  }

  /** Returns the outputs of all jobs. */
  outputs(): Readonly<Record<string, string>> {
    return Object.assign({}, ...[...this.#own.values()].map(({ outputs }) => outputs)) as Record<string, string>;
  }
}

function merge(all: readonly UpstreamResults[]): UpstreamResults {
  const distinct = [...new Set(all)].filter((results) => results !== noResults);
  if (distinct.length < 2) return distinct[0] ?? noResults;
  return {
    outputs: Object.assign({}, ...distinct.map(({ outputs }) => outputs)) as Record<string, string>,
    artifacts: [...new Set(distinct.flatMap(({ artifacts }) => artifacts))],
  };
}
