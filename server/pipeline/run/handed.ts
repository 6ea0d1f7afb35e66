// What jobs hand to those that wait for them, directly or not: outputs, and that they have left artifacts.

import type { PlannedJob } from '../plan/plan.ts';

export interface Handed {
  readonly outputs: Readonly<Record<string, string>>;
  /** Ids of jobs that have kept artifacts, in the order in which they lie on top of each other. */
  readonly artifacts: readonly string[];
}

const nothing: Handed = { outputs: {}, artifacts: [] };

export class Handing {
  readonly #jobs: ReadonlyMap<string, Pick<PlannedJob, 'after'>>;
  readonly #own = new Map<string, Handed>();
  /** What comes out of a job: its own, and all that came to it. */
  readonly #out = new Map<string, Handed>();
  /** Lists are shared by those who wait for the same: asked once for each. */
  readonly #before = new WeakMap<readonly string[], Handed>();

  constructor(jobs: readonly Pick<PlannedJob, 'id' | 'after'>[]) {
    this.#jobs = new Map(jobs.map((job) => [job.id, job]));
  }

  /** What came to a job of which every `after` is over: after that, nothing of it changes any more. */
  before({ after }: Pick<PlannedJob, 'after'>): Handed {
    const known = this.#before.get(after);
    if (known !== undefined) return known;
    const handed = merge(after.map((id) => this.#outOf(id)));
    this.#before.set(after, handed);
    return handed;
  }

  /** What a job has made that succeeds with this try. */
  made(id: string, own: Handed): void {
    this.#own.set(id, own);
  }

  #outOf(id: string): Handed {
    const known = this.#out.get(id);
    if (known !== undefined) return known;
    const before = this.before(this.#jobs.get(id)!);
    const own = this.#own.get(id);
    const out = own === undefined ? before : merge([before, own]);
    this.#out.set(id, out);
    return out;
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
