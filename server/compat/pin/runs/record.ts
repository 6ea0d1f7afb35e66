// A run in the form that clients of pin read, with the states of pin.

import type { RunRecord } from '../../../../protocol/run-record.ts';

export const sources = ['http_endpoint', 'github_webhook', 'initial_file'] as const;
export type Source = (typeof sources)[number];

export type PinStatus = 'queued' | 'running' | 'success' | 'failed' | 'cancelled';

export interface PinJob {
  readonly name: string;
  readonly status: PinStatus | 'pending' | 'skipped';
  /** Number of started attempts. */
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
  /** Equals `queued_at` while the run is queued. */
  readonly started_at: string;
  /** Absent until the run ends. */
  readonly completed_at?: string;
  readonly error?: string;
  readonly jobs: readonly PinJob[];
}

/** Error of a run that a crash of the gateway interrupted, whether it had started or not. */
export const interruptedError = 'daemon restarted';

/** Returns the record. `error` is set for ended runs that did not succeed. */
export function pinRecord(
  run: RunRecord,
  known: { readonly source: Source; readonly jobs: readonly PinJob[] },
): PinRecord {
  const { id, queuedAt, startedAt, endedAt } = run;
  const status = pinStatus(run);
  const error = status === 'failed' || status === 'cancelled' ? errorText(run) : undefined;
  return {
    id,
    status,
    source: known.source,
    queued_at: queuedAt,
    started_at: startedAt ?? queuedAt,
    ...(endedAt !== undefined && { completed_at: endedAt }),
    ...(error !== undefined && { error }),
    jobs: known.jobs,
  };
}

export function pinStatus({ state, outcome }: Pick<RunRecord, 'state' | 'outcome'>): PinStatus {
  if (state === 'queued') return 'queued';
  if (state !== 'ended') return 'running';
  switch (outcome) {
    case 'succeeded':
      return 'success';
    case 'cancelled':
      return 'cancelled';
    default:
      return 'failed';
  }
}

const failedJob = /^job "((?:[^"\\]|\\.)*)" failed: /;

/** Returns the error in the wording of pin. It names the failed job if the run's message names one. */
function errorText(run: RunRecord): string {
  const { outcome, message = 'exit status unknown' } = run;
  if (outcome === 'cancelled') return 'pipeline execution cancelled';
  return `pipeline execution failed: ${message.replace(failedJob, (_all, job: string) => `job '${job}' failed: `)}`;
}
