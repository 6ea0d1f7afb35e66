// The events that tell a plan: as many as it takes, for an event has a bound.

import type { Plan } from '../plan/plan.ts';
import type { PipelinePlanned, ToldPlan } from './events.ts';

/** Of the jobs in one event, as JSON; the log cuts events of more than 32 KiB down to their type. */
const jobsBytesMax = 20 << 10;
const afterMax = 50;

export function planEvents({ jobs, pipeline: { logsWithTime } }: Pick<Plan, 'jobs' | 'pipeline'>): readonly PipelinePlanned[] {
  const parts = inParts(jobs.map(({ id, name, after, stage }) => toldPlan({ id, name, after, stage })));
  if (parts.length === 1) return [{ type: 'pipeline-planned', jobs: parts[0]!, logsWithTime }];
  let from = 0;
  return parts.map((part) => {
    const event: PipelinePlanned = { type: 'pipeline-planned', jobs: part, logsWithTime, from, of: jobs.length };
    from += part.length;
    return event;
  });
}

function toldPlan({ after, ...job }: Omit<ToldPlan, 'afterMore'>): ToldPlan {
  const more = after.length - afterMax;
  return more > 0 ? { ...job, after: after.slice(0, afterMax), afterMore: more } : { ...job, after };
}

/** At least one part, and at least one job in each. */
function inParts(jobs: readonly ToldPlan[]): readonly (readonly ToldPlan[])[] {
  const parts: ToldPlan[][] = [[]];
  let bytes = 0;
  for (const job of jobs) {
    const size = Buffer.byteLength(JSON.stringify(job)) + 1;
    if (bytes > 0 && bytes + size > jobsBytesMax) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)!.push(job);
    bytes += size;
  }
  return parts;
}
