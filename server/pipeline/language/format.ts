// Complaints as people read them: where, what, the line itself with the spot, and the ways out.

import { excerpt, printable } from '../../support/yaml/excerpt.ts';
import type { Complaint } from './complaint.ts';

export interface FormatOptions {
  /** What the text is called. */
  readonly file: string;
  /** The text that was checked. */
  readonly text: string;
  readonly colour?: boolean;
}

const plain = { place: '', error: '', warning: '', end: '' };
const colours = { place: '\x1b[1m', error: '\x1b[31m', warning: '\x1b[33m', end: '\x1b[0m' };

/** One text, without a newline at its end; empty when there is no complaint. */
export function formatComplaints(complaints: readonly Complaint[], { file, text, colour = false }: FormatOptions): string {
  if (complaints.length === 0) return '';
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  const paint = colour ? colours : plain;
  return complaints.flatMap((complaint) => {
    const { line, column, length, severity, suggestions } = complaint;
    const source = (lines[line - 1] ?? '').replace(/\r$/, '');
    return [
      `${paint.place}${printable(file)}:${line}:${column}:${paint.end} ${paint[severity]}${severity}:${paint.end} ${printable(sentence(complaint))}`,
      ...excerpt(source, { column, length, paint: [paint[severity], paint.end] }),
      ...suggestions.map((suggestion) => `    hint: ${printable(suggestion)}`),
    ];
  }).join('\n');
}

function sentence({ message, job }: Complaint): string {
  return job === undefined || message.includes(`'${job}'`) ? message : `${message} (job '${job}')`;
}

/** `validation error in job 'build': 'image' must be a string`, as pin says it. */
export function formatInOneLine({ code, message, job, severity }: Complaint): string {
  const kind = severity === 'error' ? 'validation error' : 'warning';
  if (job !== undefined) return `${kind} in job '${printable(job)}': ${message}`;
  return code === 'INVALID_CONFIG' ? message : `${kind}: ${message}`;
}
