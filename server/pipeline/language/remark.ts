// What rules have to say, before its place in lines and columns is known.

import type { LineCounter } from 'yaml';
import type { Extent } from '../../support/yaml/values.ts';
import { complaintsMax } from './bounds.ts';
import type { Complaint, ComplaintCode } from './complaint.ts';
import type { Place } from './place.ts';

export interface Remark {
  readonly message: string;
  /** In the text. */
  readonly at: Extent;
  readonly code: ComplaintCode;
  /** `error` when absent. */
  readonly severity?: 'error' | 'warning';
  readonly job?: string | undefined;
  readonly field?: string | undefined;
  /** Ways out. A function is only asked when the complaint is told: looking for the nearest of many names takes its time. */
  readonly suggestions?: readonly string[] | (() => readonly string[]);
}

export type Tell = (remark: Remark) => void;

/** The text of a file, with the way from offsets to lines. */
export interface PlacedText {
  readonly text: string;
  readonly lines: LineCounter;
}

/** From an extent in the text to the place of what of it is on its first line. */
export function placeOf({ start, end }: Extent, { text, lines }: PlacedText): Place {
  const from = Math.min(start, text.length);
  const { line, col } = lines.linePos(from);
  const next = text.indexOf('\n', from);
  const shown = text.slice(from, Math.max(from, Math.min(end, next === -1 ? text.length : next))).trimEnd();
  return { line, column: col, length: Math.max(1, shown.length) };
}

/** In the order of the file. When they are too many, errors are told before warnings, and the last complaint says how many there are more. */
export function complaintsOf(remarks: readonly Remark[], placed: PlacedText): readonly Complaint[] {
  const inOrder = [...remarks].sort((a, b) => a.at.start - b.at.start);
  if (inOrder.length <= complaintsMax) return inOrder.map((remark) => complaintOf(remark, placed));
  const errors = inOrder.filter(isError);
  const kept = new Set([...errors, ...inOrder.filter((remark) => !isError(remark))].slice(0, complaintsMax));
  const left = inOrder.filter((remark) => !kept.has(remark));
  const more: Remark = { code: 'INVALID_CONFIG', severity: left.some(isError) ? 'error' : 'warning', message: `and ${left.length} more`, at: left[0]!.at };
  return [...kept, more].sort((a, b) => a.at.start - b.at.start).map((remark) => complaintOf(remark, placed));
}

export function isError({ severity = 'error' }: Remark): boolean {
  return severity === 'error';
}

function complaintOf({ message, at, code, severity = 'error', job, field, suggestions = [] }: Remark, placed: PlacedText): Complaint {
  return {
    code, message, severity, ...(job !== undefined && { job }), ...(field !== undefined && { field }), ...placeOf(at, placed),
    suggestions: typeof suggestions === 'function' ? suggestions() : suggestions,
  };
}
