// The live view as text: one row for each job, as many as the screen has room for, and one for all of them. Pure.

import type { Paint, Painter } from '../paint.ts';
import { printable } from '../call/words.ts';
import type { JobSoFar, JobState } from './story.ts';

const colours: Readonly<Record<JobState, Paint | undefined>> = {
  waiting: 'dim', queued: 'dim', running: 'bold', retrying: 'yellow', succeeded: 'green', failed: 'red', cancelled: 'yellow', skipped: 'dim',
};

/** Where there is no room for all of them, those are left out first that come last here. */
const interest: readonly JobState[] = ['failed', 'running', 'retrying', 'cancelled', 'queued', 'succeeded', 'skipped', 'waiting'];

const idCharsMax = 40;
const stateChars = 'succeeded'.length;

export interface RowsWish {
  /** By the clock that the jobs' `startedAt` is of. */
  readonly now: number;
  /** The longest a row may be. */
  readonly cols: number;
  /** The most rows there may be; at least 2. */
  readonly rows: number;
  readonly paint: Painter;
}

/** One row for each job in the order of the plan; where they are more than `rows`, the most interesting ones, and a row that says how many more. */
export function jobRows(jobs: readonly JobSoFar[], wish: RowsWish): readonly string[] {
  const shown = chosen(jobs, wish.rows);
  const idChars = Math.min(idCharsMax, Math.max(0, ...jobs.map(({ id }) => id.length)));
  const rows = shown.map((job) => row(job, idChars, wish));
  return shown.length === jobs.length ? rows : [...rows, wish.paint('dim', cut(`… and ${counted(jobs.filter((job) => !shown.includes(job)))}`, wish.cols))];
}

/** `2 of 5 jobs over: 1 succeeded, 1 failed, 3 waiting`, in at most `cols` characters. */
export function summaryRow(jobs: readonly JobSoFar[], cols: number): string {
  const over = jobs.filter(({ state }) => isOver(state)).length;
  return cut(`${over} of ${jobs.length} job${jobs.length === 1 ? '' : 's'} over: ${counted(jobs)}`, cols);
}

export function isOver(state: JobState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled' || state === 'skipped';
}

function chosen(jobs: readonly JobSoFar[], rows: number): readonly JobSoFar[] {
  if (jobs.length <= rows) return jobs;
  const ranked = [...jobs].sort((a, b) => interest.indexOf(a.state) - interest.indexOf(b.state));
  const kept = new Set(ranked.slice(0, rows - 1));
  return jobs.filter((job) => kept.has(job));
}

function row(job: JobSoFar, idChars: number, { now, cols, paint }: RowsWish): string {
  const { id, state, startedAt, durationMs = startedAt === undefined ? undefined : now - startedAt } = job;
  const took = durationMs === undefined ? '' : clock(durationMs);
  const head = `${cut(printable(id), idChars).padEnd(idChars)}  `;
  const tail = `  ${took.padStart(6)}  ${detailOf(job)}`.trimEnd();
  const colour = colours[state];
  const word = tail === '' ? state : state.padEnd(stateChars);
  return `${head}${colour === undefined ? word : paint(colour, word)}${cut(tail, Math.max(0, cols - head.length - stateChars))}`;
}

function detailOf({ state, detail, after, allowed, tail }: JobSoFar): string {
  switch (state) {
    case 'waiting': return after.length === 0 ? '' : `after ${after.join(', ')}`;
    case 'failed': return `${detail}${allowed ? ' (which it may)' : ''}`;
    case 'running': case 'succeeded': return printable(tail.at(-1) ?? detail);
    default: return detail;
  }
}

function counted(jobs: readonly JobSoFar[]): string {
  return interest.map((state) => ({ state, count: jobs.filter((job) => job.state === state).length }))
    .filter(({ count }) => count > 0).map(({ state, count }) => `${count} ${state}`).join(', ');
}

/** `3.2s`, `2m05s`, `1h02m`. */
function clock(ms: number): string {
  const s = Math.max(0, ms) / 1_000;
  if (s < 60) return `${s.toFixed(1)}s`;
  const two = (number: number): string => String(Math.floor(number)).padStart(2, '0');
  return s < 3_600 ? `${Math.floor(s / 60)}m${two(s % 60)}s` : `${Math.floor(s / 3_600)}h${two((s % 3_600) / 60)}m`;
}

/** At most so many characters; the last one says that there was more. */
function cut(text: string, chars: number): string {
  const points = [...text];
  return points.length <= chars ? text : `${points.slice(0, Math.max(0, chars - 1)).join('')}…`.slice(0, chars === 0 ? 0 : undefined);
}
