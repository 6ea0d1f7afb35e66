// What the check says of a text, shortened for tables.

import { checkPipeline, type CheckOptions } from '../../../server/pipeline/language/check.ts';
import type { Complaint } from '../../../server/pipeline/language/complaint.ts';
import type { Job, Pipeline } from '../../../server/pipeline/language/tree.ts';

/** `3:10 INVALID_FIELD_TYPE 'image' must be a string`; warnings begin with `warning`. */
export function told(text: string, options: CheckOptions = {}): readonly string[] {
  return checkPipeline(text, options).complaints.map(shortly);
}

export function shortly({ line, column, code, message, severity }: Complaint): string {
  return `${severity === 'warning' ? 'warning ' : ''}${line}:${column} ${code} ${message}`;
}

/** The tree of a text that is valid; throws with what is wrong when it is not. */
export function treeOf(text: string, options: CheckOptions = {}): Pipeline {
  const { pipeline, complaints } = checkPipeline(text, options);
  if (pipeline === undefined) throw new Error(complaints.map(shortly).join('\n'));
  return pipeline;
}

/** A file of one job `a` in an image, with these lines more. Its keys begin in column 3 of line 4. */
export function oneJob(...lines: readonly string[]): string {
  return ['workflow: [a]', 'a:', '  image: alpine', ...lines.map((line) => `  ${line}`), ''].join('\n');
}

/** That job, of a file that is valid. */
export function jobOf(...lines: readonly string[]): Job {
  return treeOf(oneJob(...lines)).jobs[0]!;
}
