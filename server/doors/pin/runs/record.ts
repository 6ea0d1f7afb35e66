// A run as pin's clients read it, and the words of pin for how it goes.

import type { RunRecord } from '../../../../protocol/record.ts';

export const sources = ['http_endpoint', 'github_webhook', 'initial_file'] as const;
export type Source = (typeof sources)[number];

export type PinStatus = 'queued' | 'running' | 'success' | 'failed' | 'cancelled';

export interface PinJob {
  readonly name: string;
  readonly status: PinStatus | 'pending' | 'skipped';
  /** Tries that have begun. */
  readonly attempts: number;
  readonly exit_code?: number;
  readonly started_at?: string;
  readonly completed_at?: string;
}

/** Times are RFC 3339. */
export interface PinRecord {
  readonly id: string;
  readonly status: PinStatus;
  readonly source: Source;
  readonly queued_at: string;
  /** While it is queued, as `queued_at`. */
  readonly started_at: string;
  /** Absent until the end. */
  readonly completed_at?: string;
  readonly error?: string;
  readonly jobs: readonly PinJob[];
}

/** A run that was lost with its gateway, whether it had begun or not. */
export const lostError = 'daemon restarted';

/** `error` is told of runs that are over and were not successful. */
export function pinRecord(run: RunRecord, known: { readonly source: Source; readonly jobs: readonly PinJob[] }): PinRecord {
  const { id, queuedAt, startedAt, endedAt } = run;
  const status = statusOf(run);
  const error = status === 'failed' || status === 'cancelled' ? errorOf(run) : undefined;
  return {
    id, status, source: known.source, queued_at: queuedAt, started_at: startedAt ?? queuedAt,
    ...(endedAt !== undefined && { completed_at: endedAt }), ...(error !== undefined && { error }), jobs: known.jobs,
  };
}

export function statusOf({ state, outcome }: Pick<RunRecord, 'state' | 'outcome'>): PinStatus {
  if (state === 'queued') return 'queued';
  if (state !== 'ended') return 'running';
  switch (outcome) {
    case 'succeeded': return 'success';
    case 'cancelled': return 'cancelled';
    default: return 'failed';
  }
}

const failedJob = /^job "((?:[^"\\]|\\.)*)" failed: /;

/** Names the first job that failed. */
function errorOf(run: RunRecord): string {
  const { outcome, message = 'its end was not seen' } = run;
  if (outcome === 'cancelled') return 'pipeline execution cancelled';
  return `pipeline execution failed: ${message.replace(failedJob, (_all, job: string) => `job '${job}' failed: `)}`;
}
