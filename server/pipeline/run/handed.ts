// What jobs hand to those that wait for them, directly or not: outputs, and that they have left artifacts.

import type { PlannedJob } from '../plan/plan.ts';

export interface Handed {
  readonly outputs: Readonly<Record<string, string>>;
  /** Ids of jobs that have kept artifacts, in the order in which they lie on top of each other. */
  readonly artifacts: readonly string[];
}

const nothing: Handed = { outputs: {}, artifacts: [] };

export class Handing {
  /** What comes out of each job that is over: its own, and all that came to it. */
  readonly #out = new Map<string, Handed>();
  readonly #own = new Map<string, Handed>();
  /** Lists are shared by those who wait for the same: asked once for each, when all of it is over. */
  readonly #before = new WeakMap<readonly string[], Handed>();

  /** For a job whose every `after` is over. */
  before({ after }: Pick<PlannedJob, 'after'>): Handed {
    const known = this.#before.get(after);
    if (known !== undefined) return known;
    const handed = merge(after.map((id) => this.#out.get(id) ?? nothing));
    this.#before.set(after, handed);
    return handed;
  }

  /** What the last try of a job has made; replaces that of an earlier one. */
  made(id: string, own: Handed): void {
    this.#own.set(id, own);
  }

  /** The job is over: what it made, if it has succeeded, goes on to the others. */
  over(job: Pick<PlannedJob, 'id' | 'after'>): void {
    const own = this.#own.get(job.id);
    const before = this.before(job);
    this.#out.set(job.id, own === undefined ? before : merge([before, own]));
  }

  /** Of all jobs. */
  outputs(): Readonly<Record<string, string>> {
    return Object.assign({}, ...[...this.#own.values()].map(({ outputs }) => outputs)) as Record<string, string>;
  }
}

function merge(all: readonly Handed[]): Handed {
  const some = [...new Set(all)].filter((handed) => handed !== nothing);
  if (some.length < 2) return some[0] ?? nothing;
  return {
    outputs: Object.assign({}, ...some.map(({ outputs }) => outputs)) as Record<string, string>,
    artifacts: [...new Set(some.flatMap(({ artifacts }) => artifacts))],
  };
}
