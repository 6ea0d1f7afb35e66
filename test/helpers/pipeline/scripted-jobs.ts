// Pipelines with scripted jobs, for tests of the scheduler alone: the test decides when and how each attempt ends.

import type { Pipeline } from '../../../server/pipeline/language/model.ts';
import type { Plan } from '../../../server/pipeline/plan/plan.ts';
import { planPipeline } from '../../../server/pipeline/plan/planner.ts';
import { type PlanResult, runJobs } from '../../../server/pipeline/run/scheduler/dispatcher.ts';
import type { AttemptResult } from '../../../server/pipeline/run/scheduler/scheduler.ts';
import { type Deferred, deferred } from '../../../server/support/deferred.ts';
import { waitUntil } from '../wait-until.ts';
import { createJob, createPipeline, type JobFields } from './build-pipeline.ts';

export const succeeds: AttemptResult = { type: 'succeeded', exitCode: 0 };
export const fails: AttemptResult = { type: 'failed', message: 'command execution failed (exit code 1)', exitCode: 1 };

export interface ScriptedRun {
  readonly result: Promise<PlanResult>;
  /**
   * All events in short form: `queued a`, `started a 1`, `ended a failed`, `skipped b upstream_failed a`, `retrying a
   * 1000`.
   */
  readonly events: readonly string[];
  readonly running: ReadonlySet<string>;
  /** Ends the current or next attempt of a job. */
  end(job: string, end?: AttemptResult): Promise<void>;
  /** Rejects the current or next attempt of a job. */
  reject(job: string, error: Error): Promise<void>;
  stop(): void;
  /** Stops all jobs, including those with `when: always`, which `stop` does not stop. */
  stopAll(): void;
  /** Ends the oldest delay. */
  endDelay(): void;
}

export interface ScriptOptions {
  readonly workflow?: string;
  readonly failFast?: boolean;
  readonly maxParallel?: number;
  readonly conditionHolds?: (job: string) => boolean;
  /** Results of attempts, by job. The test itself ends all other attempts. */
  readonly results?: Readonly<Record<string, readonly AttemptResult[]>>;
}

export function createPlan(
  jobs: Readonly<Record<string, JobFields>>,
  { workflow, failFast = true }: Pick<ScriptOptions, 'workflow' | 'failFast'> = {},
): Plan {
  const pipeline: Pipeline = createPipeline(
    Object.entries(jobs).map(([name, fields]) => createJob(name, fields)),
    { failFast, ...(workflow !== undefined && { workflow }) },
  );
  const planning = planPipeline(pipeline);
  if ('diagnostics' in planning) throw new Error(planning.diagnostics[0]?.message);
  return planning.plan;
}

export function runScripted(jobs: Readonly<Record<string, JobFields>>, script: ScriptOptions = {}): ScriptedRun {
  const log: string[] = [];
  const openAttempts = new Map<string, Deferred<AttemptResult>>();
  const delays: (() => void)[] = [];
  const stopping = new AbortController();
  const final = new AbortController();
  const remainingResults = new Map(Object.entries(script.results ?? {}).map(([job, ends]) => [job, [...ends]]));
  const result = runJobs(createPlan(jobs, script), {
    maxParallel: script.maxParallel ?? 4,
    signal: stopping.signal,
    finalSignal: final.signal,
    random: () => 0.5,
    conditionHolds: ({ id }) => script.conditionHolds?.(id) ?? true,
    emit: (event) => {
      log.push(eventText(event as unknown as Record<string, unknown>));
    },
    delay: (_ms, signal) =>
      new Promise((resolve) => {
        delays.push(resolve);
        signal.addEventListener('abort', () => resolve());
      }),
    runAttempt: async ({ id }, _attempt, signal) => {
      const known = remainingResults.get(id)?.shift();
      if (known !== undefined) return known;
      const open = deferred<AttemptResult>();
      openAttempts.set(id, open);
      signal.addEventListener('abort', () => open.resolve({ type: 'cancelled' }));
      return open.promise.finally(() => openAttempts.delete(id));
    },
  });
  result.catch(() => {});
  const waitForAttempt = async (job: string): Promise<Deferred<AttemptResult>> => {
    await waitUntil(`${job} runs`, () => openAttempts.has(job));
    return openAttempts.get(job)!;
  };
  return {
    result,
    events: log,
    get running() {
      return new Set(openAttempts.keys());
    },
    end: async (job, end = succeeds) => {
      (await waitForAttempt(job)).resolve(end);
      await waitUntil(`${job} has ended`, () => !openAttempts.has(job));
    },
    reject: async (job, error) => (await waitForAttempt(job)).reject(error),
    stop: () => stopping.abort(),
    stopAll: () => final.abort(),
    endDelay: () => delays.shift()?.(),
  };
}

function eventText({ type, job, attempt, status, reason, failed, delayMs }: Record<string, unknown>): string {
  return [
    String(type).replace('job-', ''),
    job,
    attempt !== undefined && delayMs === undefined ? attempt : undefined,
    status,
    reason,
    failed,
    delayMs,
  ]
    .filter((word) => word !== undefined)
    .join(' ');
}
