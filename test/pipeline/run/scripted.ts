// Pipelines whose jobs are scripted, for tests of the scheduler alone: each try ends when and how the test says.

import { planPipeline } from '../../../server/pipeline/plan/build.ts';
import type { Plan } from '../../../server/pipeline/plan/plan.ts';
import type { Pipeline } from '../../../server/pipeline/language/tree.ts';
import type { TryEnd } from '../../../server/pipeline/run/board.ts';
import { drive, type Driven } from '../../../server/pipeline/run/drive.ts';
import { deferred, type Deferred } from '../../../server/support/deferred.ts';
import { until } from '../../helpers/until.ts';
import { jobOf, pipelineOf, type JobWish } from '../plan/trees.ts';

export const succeeds: TryEnd = { type: 'succeeded', exitCode: 0 };
export const fails: TryEnd = { type: 'failed', message: 'command execution failed (exit code 1)', exitCode: 1 };

export interface Scripted {
  readonly driven: Promise<Driven>;
  /** Everything told, shortly: `queued a`, `started a 1`, `ended a failed`, `skipped b upstream_failed a`, `retrying a 1000`. */
  readonly told: readonly string[];
  readonly running: ReadonlySet<string>;
  /** Ends the try of a job that is under way or will be. */
  end(job: string, end?: TryEnd): Promise<void>;
  /** The try rejects. */
  lose(job: string, error: Error): Promise<void>;
  stop(): void;
  /** Ends the longest wait. */
  waited(): void;
}

export interface Script {
  readonly workflow?: string;
  readonly failFast?: boolean;
  readonly width?: number;
  readonly holds?: (job: string) => boolean;
  /** What tries come to that the test does not end itself. */
  readonly ends?: Readonly<Record<string, readonly TryEnd[]>>;
}

export function planOf(jobs: Readonly<Record<string, JobWish>>, { workflow, failFast = true }: Pick<Script, 'workflow' | 'failFast'> = {}): Plan {
  const pipeline: Pipeline = pipelineOf(Object.entries(jobs).map(([name, wish]) => jobOf(name, wish)), { failFast, ...(workflow !== undefined && { workflow }) });
  const made = planPipeline(pipeline);
  if ('complaints' in made) throw new Error(made.complaints[0]?.message);
  return made.plan;
}

export function scripted(jobs: Readonly<Record<string, JobWish>>, script: Script = {}): Scripted {
  const told: string[] = [];
  const tries = new Map<string, Deferred<TryEnd>>();
  const waits: (() => void)[] = [];
  const stopping = new AbortController();
  const left = new Map(Object.entries(script.ends ?? {}).map(([job, ends]) => [job, [...ends]]));
  const driven = drive(planOf(jobs, script), {
    width: script.width ?? 4, signal: stopping.signal, random: () => 0.5, holds: ({ id }) => script.holds?.(id) ?? true,
    tell: (event) => { told.push(shortly(event as unknown as Record<string, unknown>)); },
    wait: (_ms, signal) => new Promise((resolve) => {
      waits.push(resolve);
      signal.addEventListener('abort', () => resolve());
    }),
    tryJob: async ({ id }, _attempt, signal) => {
      const known = left.get(id)?.shift();
      if (known !== undefined) return known;
      const open = deferred<TryEnd>();
      tries.set(id, open);
      signal.addEventListener('abort', () => open.resolve({ type: 'cancelled' }));
      return open.promise.finally(() => tries.delete(id));
    },
  });
  driven.catch(() => {});
  const openTry = async (job: string): Promise<Deferred<TryEnd>> => {
    await until(`${job} runs`, () => tries.has(job));
    return tries.get(job)!;
  };
  return {
    driven, told,
    get running() { return new Set(tries.keys()); },
    end: async (job, end = succeeds) => {
      (await openTry(job)).resolve(end);
      await until(`${job} has ended`, () => !tries.has(job));
    },
    lose: async (job, error) => (await openTry(job)).reject(error),
    stop: () => stopping.abort(),
    waited: () => waits.shift()?.(),
  };
}

function shortly({ type, job, attempt, status, reason, failed, delayMs }: Record<string, unknown>): string {
  return [String(type).replace('job-', ''), job, attempt !== undefined && delayMs === undefined ? attempt : undefined, status, reason, failed, delayMs].filter((word) => word !== undefined).join(' ');
}
