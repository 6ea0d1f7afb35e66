// Formats the rows of the live view: one per job, as many as fit on the screen, and a summary. Pure functions.

import { printable } from '../call/format.ts';
import type { Paint, Painter } from '../colors.ts';
import type { JobProgress, JobState } from './job-tracker.ts';

const colours: Readonly<Record<JobState, Paint | undefined>> = {
  waiting: 'dim',
  queued: 'dim',
  running: 'bold',
  retrying: 'yellow',
  succeeded: 'green',
  failed: 'red',
  cancelled: 'yellow',
  skipped: 'dim',
};

/** States by priority: if not all jobs fit, those with the first states are shown. */
const statesByPriority: readonly JobState[] = [
  'failed',
  'running',
  'retrying',
  'cancelled',
  'queued',
  'succeeded',
  'skipped',
  'waiting',
];

const idCharsMax = 40;
const stateChars = 'succeeded'.length;

export interface RowOptions {
  /** Current time (`performance.now()`). */
  readonly now: number;
  /** Maximum length of a row. */
  readonly cols: number;
  /** Maximum number of rows, at least 2. */
  readonly rows: number;
  readonly paint: Painter;
}

/**
 * Returns one row per job in plan order. If there are more than `rows`, returns those of highest priority and a row
 * that counts the others.
 */
export function jobRows(jobs: readonly JobProgress[], options: RowOptions): readonly string[] {
  const shown = selectJobs(jobs, options.rows);
  const idChars = Math.min(idCharsMax, Math.max(0, ...jobs.map(({ id }) => id.length)));
  const rows = shown.map((job) => formatRow(job, idChars, options));
  return shown.length === jobs.length
    ? rows
    : [
        ...rows,
        options.paint(
          'dim',
          truncate(`… and ${countByState(jobs.filter((job) => !shown.includes(job)))}`, options.cols),
        ),
      ];
}

/** `2 of 5 jobs ended: 1 succeeded, 1 failed, 3 waiting`, in at most `cols` characters. */
export function summaryRow(jobs: readonly JobProgress[], cols: number): string {
  const over = jobs.filter(({ state }) => hasEnded(state)).length;
  return truncate(`${over} of ${jobs.length} job${jobs.length === 1 ? '' : 's'} ended: ${countByState(jobs)}`, cols);
}

function hasEnded(state: JobState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled' || state === 'skipped';
}

function selectJobs(jobs: readonly JobProgress[], rows: number): readonly JobProgress[] {
  if (jobs.length <= rows) return jobs;
  const ranked = [...jobs].sort((a, b) => statesByPriority.indexOf(a.state) - statesByPriority.indexOf(b.state));
  const selected = new Set(ranked.slice(0, rows - 1));
  return jobs.filter((job) => selected.has(job));
}

function formatRow(job: JobProgress, idChars: number, { now, cols, paint }: RowOptions): string {
  const { id, state, startedMs, durationMs = startedMs === undefined ? undefined : now - startedMs } = job;
  const took = durationMs === undefined ? '' : formatClock(durationMs);
  const prefix = `${truncate(printable(id), idChars).padEnd(idChars)}  `;
  const suffix = `  ${took.padStart(6)}  ${detailText(job)}`.trimEnd();
  const colour = colours[state];
  const word = suffix === '' ? state : state.padEnd(stateChars);
  const rest = truncate(suffix, Math.max(0, cols - prefix.length - stateChars));
  return `${prefix}${colour === undefined ? word : paint(colour, word)}${rest}`;
}

function detailText({ state, detail, after, allowed, tail, partial }: JobProgress): string {
  switch (state) {
    case 'waiting':
      return after.length === 0 ? '' : `after ${after.join(', ')}`;
    case 'failed':
      return `${detail}${allowed ? ' (failure allowed)' : ''}`;
    case 'running':
    case 'succeeded':
      return printable(partial ?? tail.at(-1) ?? detail);
    default:
      return detail;
  }
}

function countByState(jobs: readonly JobProgress[]): string {
  return statesByPriority
    .map((state) => ({ state, count: jobs.filter((job) => job.state === state).length }))
    .filter(({ count }) => count > 0)
    .map(({ state, count }) => `${count} ${state}`)
    .join(', ');
}

/** `3.2s`, `2m05s`, `1h02m`. */
function formatClock(ms: number): string {
  const s = Math.max(0, ms) / 1_000;
  if (s < 60) return `${s.toFixed(1)}s`;
  const two = (number: number): string => String(Math.floor(number)).padStart(2, '0');
  return s < 3_600 ? `${Math.floor(s / 60)}m${two(s % 60)}s` : `${Math.floor(s / 3_600)}h${two((s % 3_600) / 60)}m`;
}

/** Cuts the text to this many characters. The last character of a cut text is an ellipsis. */
function truncate(text: string, chars: number): string {
  const points = [...text];
  return points.length <= chars
    ? text
    : `${points.slice(0, Math.max(0, chars - 1)).join('')}…`.slice(0, chars === 0 ? 0 : undefined);
}
