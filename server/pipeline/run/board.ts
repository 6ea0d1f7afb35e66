// Which job is where, and what follows from a fact: the scheduler as a table. It starts nothing; whoever asks performs what it says.

import type { Job } from '../language/tree.ts';
import type { Plan, PlannedJob } from '../plan/plan.ts';
import type { SkipReason } from './events.ts';

/** `retrying`: it has failed and waits for its next try, for which it is then `queued` again. */
export type JobState = 'waiting' | 'queued' | 'running' | 'retrying' | 'ended' | 'skipped';

type JobFact = 'free' | 'start' | 'skip' | 'retry' | 'due' | 'end';

const transitions: { readonly [state in JobState]: { readonly [fact in JobFact]?: JobState } } = {
  waiting: { free: 'queued', skip: 'skipped' },
  queued: { start: 'running', skip: 'skipped', end: 'ended' },
  running: { retry: 'retrying', end: 'ended' },
  retrying: { due: 'queued', end: 'ended' },
  ended: {},
  skipped: {},
};

/** What one try of a job came to. */
export type TryEnd =
  | { readonly type: 'succeeded'; readonly exitCode?: number }
  | { readonly type: 'failed'; readonly message: string; readonly exitCode?: number; readonly oomKilled?: true; readonly command?: string }
  | { readonly type: 'cancelled' };

/** What is to be done, in this order. */
export type Effect =
  | { readonly type: 'queue'; readonly job: PlannedJob }
  | { readonly type: 'start'; readonly job: PlannedJob; readonly attempt: number }
  | { readonly type: 'retry'; readonly job: PlannedJob; readonly attempt: number; readonly message: string }
  | { readonly type: 'skip'; readonly job: PlannedJob; readonly reason: SkipReason; readonly failed?: string }
  | { readonly type: 'end'; readonly job: PlannedJob; readonly end: TryEnd; readonly attempts: number };

export interface BoardParts {
  /** Jobs at once. */
  readonly width: number;
  /** Whether the condition of a job holds; asked once, when it is about to start. */
  holds(job: PlannedJob): boolean;
}

interface Post {
  readonly job: PlannedJob;
  readonly followers: Post[];
  state: JobState;
  /** The try that is under way, or the last one; 0: none yet. */
  attempt: number;
  /** Jobs that have to be over first. */
  missing: number;
  /** The first failed job that it waits for, directly or not. */
  upstream: string | undefined;
}

/** The jobs of one run of a plan. Each fact gives the effects that follow from it. */
export class Board {
  readonly #posts: ReadonlyMap<string, Post>;
  readonly #parts: BoardParts;
  readonly #failFast: boolean;
  readonly #queue: Post[] = [];
  /** All they wait for is over, and nothing was decided yet. */
  readonly #free: Post[] = [];
  #effects: Effect[] = [];
  #running = 0;
  #open: number;
  #failed: string | undefined;
  #stopped = false;

  constructor({ jobs, pipeline }: Pick<Plan, 'jobs' | 'pipeline'>, parts: BoardParts) {
    this.#parts = parts;
    this.#failFast = pipeline.failFast;
    this.#posts = postsOf(jobs);
    this.#open = jobs.length;
  }

  /** Every job has ended or is skipped. */
  get over(): boolean {
    return this.#open === 0;
  }

  /** The job that failed first, of those that may not. */
  get failed(): string | undefined {
    return this.#failed;
  }

  stateOf(id: string): JobState {
    return this.#post(id).state;
  }

  begin(): readonly Effect[] {
    for (const post of this.#posts.values()) if (post.missing === 0) this.#free.push(post);
    return this.#settle();
  }

  /** A try has come to its end. */
  tried(id: string, end: TryEnd): readonly Effect[] {
    const post = this.#post(id);
    this.#running -= 1;
    if (end.type === 'failed' && post.attempt < post.job.job.retry.attempts && !this.#stopped) {
      move(post, 'retry');
      this.#effects.push({ type: 'retry', job: post.job, attempt: post.attempt, message: end.message });
    } else this.#end(post, end);
    return this.#settle();
  }

  /** The wait before the next try is over. */
  due(id: string): readonly Effect[] {
    const post = this.#post(id);
    if (post.state === 'retrying') {
      move(post, 'due');
      this.#queue.push(post);
    }
    return this.#settle();
  }

  /** Nothing is to be started any more. What runs is ended by whoever runs it, and told by `tried`. Safe twice. */
  stop(): readonly Effect[] {
    this.#stopped = true;
    for (const post of this.#posts.values()) {
      if (post.state === 'waiting' || (post.state === 'queued' && post.attempt === 0)) this.#skip(post, { reason: 'cancelled' });
      else if (post.state === 'retrying' || post.state === 'queued') this.#end(post, { type: 'cancelled' });
    }
    return this.#settle();
  }

  #post(id: string): Post {
    const post = this.#posts.get(id);
    if (post === undefined) throw new Error(`no job "${id}" in this plan`);
    return post;
  }

  /** Everything that follows from what is known now. */
  #settle(): readonly Effect[] {
    do {
      for (let post = this.#free.shift(); post !== undefined; post = this.#free.shift()) this.#decide(post);
      this.#fill();
    } while (this.#free.length > 0);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #decide(post: Post): void {
    if (post.state !== 'waiting') return;
    const against = this.#against(post);
    if (against !== undefined) return this.#skip(post, against);
    move(post, 'free');
    this.#queue.push(post);
    this.#effects.push({ type: 'queue', job: post.job });
  }

  #fill(): void {
    while (this.#running < this.#parts.width) {
      const post = this.#queue.shift();
      if (post === undefined) return;
      if (post.state === 'queued') this.#start(post);
    }
  }

  #start(post: Post): void {
    if (post.attempt === 0) {
      const against = this.#against(post) ?? (this.#parts.holds(post.job) ? undefined : { reason: 'condition' as const });
      if (against !== undefined) return this.#skip(post, against);
    }
    move(post, 'start');
    post.attempt += 1;
    this.#running += 1;
    this.#effects.push({ type: 'start', job: post.job, attempt: post.attempt });
  }

  #against(post: Post): Against | undefined {
    return speaksAgainst[post.job.job.when]({ any: this.#failed, upstream: this.#failFast ? this.#failed : post.upstream });
  }

  #skip(post: Post, { reason, failed }: Against): void {
    move(post, 'skip');
    this.#effects.push({ type: 'skip', job: post.job, reason, ...(failed !== undefined && { failed }) });
    this.#leave(post);
  }

  #end(post: Post, end: TryEnd): void {
    move(post, 'end');
    this.#effects.push({ type: 'end', job: post.job, end, attempts: post.attempt });
    if (end.type === 'failed' && !post.job.job.allowFailure) {
      post.upstream ??= post.job.id;
      this.#failed ??= post.job.id;
    }
    this.#leave(post);
  }

  /**
   * It is over: whoever waited for it waits for one less. A job that is not to run is skipped no sooner than it could have started: a job that is for every case
   * may wait for it, and means by that all that this one waits for.
   */
  #leave(post: Post): void {
    this.#open -= 1;
    for (const follower of post.followers) {
      follower.upstream ??= post.upstream;
      follower.missing -= 1;
      if (follower.missing === 0) this.#free.push(follower);
    }
  }
}

type Against = { readonly reason: SkipReason; readonly failed?: string };

/** `any`: the first failed job of all; `upstream`: the one for whose sake a job that is for success is not started. */
type Failures = { readonly any: string | undefined; readonly upstream: string | undefined };

const speaksAgainst: { readonly [when in Job['when']]: (failures: Failures) => Against | undefined } = {
  success: ({ upstream }) => (upstream === undefined ? undefined : { reason: 'upstream_failed', failed: upstream }),
  failure: ({ any }) => (any === undefined ? { reason: 'nothing_failed' } : undefined),
  always: () => undefined,
};

function postsOf(jobs: readonly PlannedJob[]): ReadonlyMap<string, Post> {
  const posts = new Map(jobs.map((job): [string, Post] =>
    [job.id, { job, followers: [], state: 'waiting', attempt: 0, missing: job.after.length, upstream: undefined }]));
  for (const post of posts.values()) for (const id of post.job.after) posts.get(id)?.followers.push(post);
  return posts;
}

function move(post: Post, fact: JobFact): void {
  const next = transitions[post.state][fact];
  if (next === undefined) throw new Error(`job "${post.job.id}" is ${post.state}: it cannot ${fact}`);
  post.state = next;
}
