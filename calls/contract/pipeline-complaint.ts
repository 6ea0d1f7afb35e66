// What is wrong with the text of a pipeline, or is worth a word, as those hear of it who do not know the language.

import type { PipelineAllowance } from './engines.ts';

/** Every complaint about a text, in its order; those who know the language hand it in. Never throws. */
export type CheckPipeline = (text: string, allow: PipelineAllowance) => readonly PipelineComplaint[];

export interface PipelineComplaint {
  /** A text with an error is not run. */
  readonly severity: 'error' | 'warning';
  readonly message: string;
  /** As the author spelled them. */
  readonly job?: string;
  readonly field?: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** Ways out. */
  readonly suggestions: readonly string[];
}

/** `release.yaml:3:5: build.image: 'image' must be a string; write …`: one line. */
export function complaintLine(file: string, { line, column, ...complaint }: PipelineComplaint): string {
  return [`${file}:${line}:${column}:`, ...[complaintPath(complaint)].filter((path) => path !== '').map((path) => `${path}:`), complaintText(complaint)].join(' ');
}

/** The job and the key that are meant, such as `build.image`. */
export function complaintPath({ job, field }: Pick<PipelineComplaint, 'job' | 'field'>): string {
  return [job, field].filter((part) => part !== undefined).join('.');
}

/** What is wrong, and the ways out. */
export function complaintText({ message, suggestions }: Pick<PipelineComplaint, 'message' | 'suggestions'>): string {
  return [message, ...suggestions].join('; ');
}
