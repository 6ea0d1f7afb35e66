// Formats a list of runs as a table that fits a terminal.

import type { RunRecord } from '../../../protocol/run-record.ts';
import { labelAgeMs } from '../../support/wall-clock.ts';
import { printable } from '../call/status.ts';
import { formatTable } from '../table.ts';

const headings = ['RUN', 'CALL', 'STATE', 'AGE', 'TOOK', 'LINES'] as const;
const callColumn = 1;
const callCharsMax = 40;
/** If the column of calls would be narrower than this, ids are cut to a unique beginning. */
const callCharsWanted = 16;
const callCharsMin = 4;
const idCharsMin = 8;

/** `columns` is the width of the terminal. Undefined: the width is not limited. */
export function formatRuns(runs: readonly RunRecord[], columns: number | undefined): string {
  const whole = runs.map(formatCells);
  const wide = fitTable(whole, { columns, callMin: callCharsWanted });
  if (wide !== undefined) return wide;
  const ids = shortIds(runs.map(({ id }) => id));
  const short = whole.map(([, ...more], row) => [ids[row]!, ...more]);
  // Leave out columns, beginning with the last one, until the table fits: the last columns are the least important
  // ones.
  for (let count = headings.length; count >= 2; count -= 1) {
    const narrow = fitTable(
      short.map((cells) => cells.slice(0, count)),
      { columns, callMin: count === headings.length ? callCharsWanted : callCharsMin },
    );
    if (narrow !== undefined) return narrow;
  }
  return formatTable(
    headings.slice(0, 1),
    short.map((cells) => cells.slice(0, 1)),
  );
}

/** Formats the table, with the calls cut so that it fits. Returns undefined if they would be shorter than `callMin`. */
function fitTable(
  rows: readonly (readonly string[])[],
  { columns, callMin }: { readonly columns: number | undefined; readonly callMin: number },
): string | undefined {
  const count = rows[0]?.length ?? headings.length;
  const shown = headings.slice(0, count);
  const widths = shown.map((heading, column) => Math.max(heading.length, ...rows.map((row) => row[column]!.length)));
  const others = widths.reduce((sum, width, column) => sum + (column === callColumn ? 0 : width + 2), 0);
  const space = columns === undefined ? callCharsMax : Math.min(callCharsMax, columns - others);
  if (space < Math.min(callMin, widths[callColumn]!)) return undefined;
  return formatTable(
    shown,
    rows.map((row) => row.map((cell, column) => (column === callColumn ? cut(cell, space) : cell))),
  );
}

function cut(text: string, chars: number): string {
  return text.length > chars ? `${text.slice(0, chars - 1)}\u2026` : text;
}

/** Returns beginnings of the ids that are unique in the list. */
function shortIds(ids: readonly string[]): readonly string[] {
  for (let chars = idCharsMin; ; chars += 1) {
    const short = ids.map((id) => id.slice(0, chars));
    if (new Set(short).size === ids.length || ids.every((id) => id.length <= chars)) return short;
  }
}

function formatCells(record: RunRecord): readonly string[] {
  const { id, state, outcome, queuedAt, lines, durationMs } = record;
  return [
    id,
    printable(describeCall(record)),
    outcome ?? state,
    formatAge(labelAgeMs(queuedAt)),
    durationMs === undefined ? '' : formatAge(durationMs),
    String(lines),
  ];
}

/**
 * Describes a run by its call and params. For a pipeline that a client has sent, returns its name or else its file,
 * because the text is recorded as a digest.
 */
function describeCall({ call, params, title }: RunRecord): string {
  if (call !== 'pipeline.run') return [call, ...params].join(' ');
  return title ?? pipelineFile(params[1]) ?? call;
}

function pipelineFile(options = ''): string | undefined {
  try {
    const { file } = JSON.parse(options) as { file?: unknown };
    return typeof file === 'string' ? file : undefined;
  } catch {
    return undefined;
  }
}

/** Uses the largest unit in which the value is at least one. */
function formatAge(ms: number): string {
  const s = ms / 1_000;
  if (s < 10) return `${s.toFixed(1)}s`;
  if (s < 120) return `${Math.floor(s)}s`;
  if (s < 7_200) return `${Math.floor(s / 60)}m`;
  return s < 172_800 ? `${Math.floor(s / 3_600)}h` : `${Math.floor(s / 86_400)}d`;
}
