// The scheduler of jobs as a pure state machine. Each call reports a fact and returns the effects that follow; it
// starts nothing itself.

import type { Job } from '../../language/model.ts';
import type { Plan, PlannedJob } from '../../plan/plan.ts';
import type { SkipReason } from '../events/events.ts';

/** `retrying`: the attempt failed, and the job waits for its next attempt. The next state is `queued`. */
export type JobState = 'waiting' | 'queued' | 'running' | 'retrying' | 'ended' | 'skipped';

type JobFact = 'ready' | 'start' | 'skip' | 'retry' | 'retry-due' | 'end';

const transitions: { readonly [state in JobState]: { readonly [fact in JobFact]?: JobState } } = {
  waiting: { ready: 'queued', skip: 'skipped' },
  queued: { start: 'running', skip: 'skipped', end: 'ended' },
  running: { retry: 'retrying', end: 'ended' },
  retrying: { 'retry-due': 'queued', end: 'ended' },
  ended: {},
  skipped: {},
};

/** The result of one attempt. */
export type AttemptResult =
  | { readonly type: 'succeeded'; readonly exitCode?: number }
  | {
      readonly type: 'failed';
      readonly message: string;
      readonly exitCode?: number;
      readonly oomKilled?: true;
      readonly command?: string;
    }
  | { readonly type: 'cancelled' };

/** What the dispatcher must do. Effects are performed in their order. */
export type SchedulerEffect =
  | { readonly type: 'queue'; readonly job: PlannedJob }
  | { readonly type: 'start'; readonly job: PlannedJob; readonly attempt: number }
  | { readonly type: 'retry'; readonly job: PlannedJob; readonly attempt: number; readonly message: string }
  | { readonly type: 'skip'; readonly job: PlannedJob; readonly reason: SkipReason; readonly failed?: string }
  | { readonly type: 'end'; readonly job: PlannedJob; readonly result: AttemptResult; readonly attempts: number };

export interface SchedulerDeps {
  /** Maximum number of jobs that run at once. */
  readonly maxParallel: number;
  /** Returns whether the condition of a job is true. Called once per job, just before its first attempt. */
  conditionHolds(job: PlannedJob): boolean;
}

interface JobNode {
  readonly job: PlannedJob;
  readonly followers: JobNode[];
  state: JobState;
  /** Number of the current or last attempt, or 0 before the first. */
  attempt: number;
  /** Number of dependencies that have not ended. */
  missing: number;
  /** Id of the first failed job among its direct and indirect dependencies. */
  upstream: string | undefined;
}

/** The jobs of one run of a plan. */
export class Scheduler {
  readonly #nodes: ReadonlyMap<string, JobNode>;
  readonly #deps: SchedulerDeps;
  readonly #failFast: boolean;
  readonly #queue: JobNode[] = [];
  /** Jobs whose dependencies have ended, and which are not yet queued or skipped. */
  readonly #ready: JobNode[] = [];
  #effects: SchedulerEffect[] = [];
  #running = 0;
  #open: number;
  #failed: string | undefined;
  #stopped: 'nothing' | 'unneeded' | 'all' = 'nothing';

  constructor({ jobs, pipeline }: Pick<Plan, 'jobs' | 'pipeline'>, deps: SchedulerDeps) {
    this.#deps = deps;
    this.#failFast = pipeline.failFast;
    this.#nodes = buildGraph(jobs);
    this.#open = jobs.length;
  }

  /** True if every job has ended or is skipped. */
  get done(): boolean {
    return this.#open === 0;
  }

  /** Id of the first job that failed without `allowFailure`. */
  get firstFailed(): string | undefined {
    return this.#failed;
  }

  jobState(id: string): JobState {
    return this.#node(id).state;
  }

  start(): readonly SchedulerEffect[] {
    for (const node of this.#nodes.values()) if (node.missing === 0) this.#ready.push(node);
    return this.#advance();
  }

  /** Reports the end of an attempt. */
  attemptEnded(id: string, result: AttemptResult): readonly SchedulerEffect[] {
    const node = this.#node(id);
    this.#running -= 1;
    if (result.type === 'failed' && node.attempt < node.job.job.retry.attempts && !this.#isStopped(node)) {
      transition(node, 'retry');
      this.#effects.push({ type: 'retry', job: node.job, attempt: node.attempt, message: result.message });
    } else this.#end(node, result);
    return this.#advance();
  }

  /** Reports that the delay before the next attempt has passed. */
  retryDue(id: string): readonly SchedulerEffect[] {
    const node = this.#node(id);
    if (node.state === 'retrying') {
      transition(node, 'retry-due');
      this.#queue.push(node);
    }
    return this.#advance();
  }

  /**
   * Stops jobs: no more attempts of them start. `unneeded` spares the jobs with `when: always`. A stopped job that
   * waits for dependencies is skipped only when these have ended: a job with `when: always` may depend on it and must
   * wait for them as well. The caller ends the running attempts and reports their ends with `attemptEnded`. Idempotent.
   */
  stop(which: 'unneeded' | 'all'): readonly SchedulerEffect[] {
    if (this.#stopped !== 'all') this.#stopped = which;
    for (const node of this.#nodes.values()) {
      if (!this.#isStopped(node)) continue;
      if (node.state === 'queued' && node.attempt === 0) this.#skip(node, { reason: 'cancelled' });
      else if (node.state === 'retrying' || node.state === 'queued') this.#end(node, { type: 'cancelled' });
    }
    return this.#advance();
  }

  #isStopped({ job }: JobNode): boolean {
    return this.#stopped === 'all' || (this.#stopped === 'unneeded' && job.job.when !== 'always');
  }

  #node(id: string): JobNode {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`the plan has no job "${id}"`);
    return node;
  }

  /** Decides about ready and queued jobs. Returns all effects since the last call. */
  #advance(): readonly SchedulerEffect[] {
    do {
      for (let node = this.#ready.shift(); node !== undefined; node = this.#ready.shift()) this.#decide(node);
      this.#fillSlots();
    } while (this.#ready.length > 0);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #decide(node: JobNode): void {
    if (node.state !== 'waiting') return;
    const decision = this.#skipDecision(node);
    if (decision !== undefined) return this.#skip(node, decision);
    transition(node, 'ready');
    this.#queue.push(node);
    this.#effects.push({ type: 'queue', job: node.job });
  }

  #fillSlots(): void {
    while (this.#running < this.#deps.maxParallel) {
      const node = this.#queue.shift();
      if (node === undefined) return;
      if (node.state === 'queued') this.#start(node);
    }
  }

  #start(node: JobNode): void {
    if (node.attempt === 0) {
      const decision =
        this.#skipDecision(node) ??
        (this.#deps.conditionHolds(node.job) ? undefined : { reason: 'condition' as const });
      if (decision !== undefined) return this.#skip(node, decision);
    }
    transition(node, 'start');
    node.attempt += 1;
    this.#running += 1;
    this.#effects.push({ type: 'start', job: node.job, attempt: node.attempt });
  }

  #skipDecision(node: JobNode): SkipDecision | undefined {
    if (this.#isStopped(node)) return { reason: 'cancelled' };
    return skipRules[node.job.job.when]({
      any: this.#failed,
      upstream: this.#failFast ? this.#failed : node.upstream,
    });
  }

  #skip(node: JobNode, { reason, failed }: SkipDecision): void {
    transition(node, 'skip');
    this.#effects.push({ type: 'skip', job: node.job, reason, ...(failed !== undefined && { failed }) });
    this.#complete(node);
  }

  #end(node: JobNode, result: AttemptResult): void {
    transition(node, 'end');
    this.#effects.push({ type: 'end', job: node.job, result, attempts: node.attempt });
    if (result.type === 'failed' && !node.job.job.allowFailure) {
      node.upstream ??= node.job.id;
      this.#failed ??= node.job.id;
    }
    this.#complete(node);
  }

  /**
   * Updates the jobs that depend on a job that has ended or is skipped.
   *
   * A job is skipped only when all its dependencies have ended. Therefore a job with `when: always` that depends on a
   * skipped job also waits for the dependencies of the skipped job.
   */
  #complete(node: JobNode): void {
    this.#open -= 1;
    for (const follower of node.followers) {
      follower.upstream ??= node.upstream;
      follower.missing -= 1;
      if (follower.missing === 0) this.#ready.push(follower);
    }
  }
}

type SkipDecision = { readonly reason: SkipReason; readonly failed?: string };

/**
 * `any` is the first failed job. `upstream` is the failed job that prevents a job with `when: success` from starting.
 */
type Failures = { readonly any: string | undefined; readonly upstream: string | undefined };

const skipRules: { readonly [when in Job['when']]: (failures: Failures) => SkipDecision | undefined } = {
  success: ({ upstream }) => (upstream === undefined ? undefined : { reason: 'upstream_failed', failed: upstream }),
  failure: ({ any }) => (any === undefined ? { reason: 'nothing_failed' } : undefined),
  always: () => undefined,
};

function buildGraph(jobs: readonly PlannedJob[]): ReadonlyMap<string, JobNode> {
  const nodes = new Map(
    jobs.map((job): [string, JobNode] => [
      job.id,
      { job, followers: [], state: 'waiting', attempt: 0, missing: job.after.length, upstream: undefined },
    ]),
  );
  for (const node of nodes.values()) for (const id of node.job.after) nodes.get(id)?.followers.push(node);
  return nodes;
}

function transition(node: JobNode, fact: JobFact): void {
  const next = transitions[node.state][fact];
  if (next === undefined)
    throw new Error(`job "${node.job.id}" is ${node.state}: the transition "${fact}" is not possible`);
  node.state = next;
}
