// Short constructors for the items that a client receives from a pipeline.

import type { Item } from '../../../protocol/client/client.ts';
import type { Json } from '../../../protocol/run-record.ts';

let seq = 0;

export function eventItem(type: string, fields: Readonly<Record<string, Json>> = {}): Item {
  return { event: { seq: ++seq, at: 0, type, time: '2026-11-21T10:00:00.000Z', ...fields } };
}

export const lineItem = (text: string): Item => ({ line: text });

export const streamItem = (job?: string, stream = 'stdout'): Item =>
  eventItem('stream', { stream, ...(job !== undefined && { job }) });

export function planItem(jobs: Readonly<Record<string, readonly string[]>>, logsWithTime = false): Item {
  const plannedJobs = Object.entries(jobs).map(([id, after]) => ({
    id,
    name: id,
    after,
    stage: after.length === 0 ? 0 : 1,
  }));
  return eventItem('pipeline-planned', { jobs: plannedJobs, logsWithTime });
}

export const jobEndedItem = (job: string, facts: Readonly<Record<string, Json>> = {}): Item =>
  eventItem('job-ended', { job, status: 'succeeded', attempts: 1, attemptsMax: 1, durationMs: 1_500, ...facts });
