// What a gateway tells of a pipeline, said in short.

import type { Item } from '../../../protocol/client.ts';
import type { Json } from '../../../protocol/record.ts';

let seq = 0;

export function event(type: string, facts: Readonly<Record<string, Json>> = {}): Item {
  return { event: { seq: ++seq, at: 0, type, time: '2026-11-21T10:00:00.000Z', ...facts } };
}

export const line = (text: string): Item => ({ line: text });

export const speaks = (job?: string, stream = 'stdout'): Item => event('stream', { stream, ...(job !== undefined && { job }) });

export function planned(jobs: Readonly<Record<string, readonly string[]>>, logsWithTime = false): Item {
  const told = Object.entries(jobs).map(([id, after]) => ({ id, name: id, after, stage: after.length === 0 ? 0 : 1 }));
  return event('pipeline-planned', { jobs: told, logsWithTime });
}

export const ended = (job: string, facts: Readonly<Record<string, Json>> = {}): Item =>
  event('job-ended', { job, status: 'succeeded', attempts: 1, attemptsMax: 1, durationMs: 1_500, ...facts });
