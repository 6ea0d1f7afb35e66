// Creates the events that describe the plan. A large plan needs several, because the size of an event is limited.

import type { Plan } from '../../plan/plan.ts';
import type { PipelinePlanned, PlannedJobSummary } from './events.ts';

/** Maximum size of the jobs in one event, as JSON. The log reduces an event over 32 KiB to its type. */
const jobsBytesMax = 20 << 10;
const afterMax = 50;

export function planEvents({
  jobs,
  pipeline: { logsWithTime },
}: Pick<Plan, 'jobs' | 'pipeline'>): readonly PipelinePlanned[] {
  const parts = splitBySize(jobs.map(({ id, name, after, stage }) => summarizeJob({ id, name, after, stage })));
  if (parts.length === 1) return [{ type: 'pipeline-planned', jobs: parts[0]!, logsWithTime }];
  let from = 0;
  return parts.map((part) => {
    const event: PipelinePlanned = { type: 'pipeline-planned', jobs: part, logsWithTime, from, of: jobs.length };
    from += part.length;
    return event;
  });
}

function summarizeJob({ after, ...job }: Omit<PlannedJobSummary, 'afterMore'>): PlannedJobSummary {
  const more = after.length - afterMax;
  return more > 0 ? { ...job, after: after.slice(0, afterMax), afterMore: more } : { ...job, after };
}

/**
 * Splits the jobs into consecutive parts, one per event. Returns at least one part. Each part has at least one job,
 * unless the plan has none.
 */
function splitBySize(jobs: readonly PlannedJobSummary[]): readonly (readonly PlannedJobSummary[])[] {
  const parts: PlannedJobSummary[][] = [[]];
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
