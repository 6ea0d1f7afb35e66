// Shortens the diagnostics of a text for test tables.

import { type ParseOptions, parsePipeline } from '../../../server/pipeline/language/check.ts';
import type { PipelineDiagnostic } from '../../../server/pipeline/language/diagnostic.ts';
import type { Job, Pipeline } from '../../../server/pipeline/language/model.ts';

/** Returns diagnostics such as `3:10 INVALID_FIELD_TYPE 'image' must be a string`. Warnings begin with `warning`. */
export function check(text: string, options: ParseOptions = {}): readonly string[] {
  return parsePipeline(text, options).diagnostics.map(shorten);
}

function shorten({ line, column, code, message, severity }: PipelineDiagnostic): string {
  return `${severity === 'warning' ? 'warning ' : ''}${line}:${column} ${code} ${message}`;
}

/** Returns the model of a valid text. Throws the diagnostics of an invalid one. */
export function parseValid(text: string, options: ParseOptions = {}): Pipeline {
  const { pipeline, diagnostics } = parsePipeline(text, options);
  if (pipeline === undefined) throw new Error(diagnostics.map(shorten).join('\n'));
  return pipeline;
}

/**
 * Returns a file with one job `a` in an image, these lines, and a script if the lines have none. Keys of the job begin
 * in column 3 of line 4.
 */
export function oneJob(...lines: readonly string[]): string {
  const script = lines.some((line) => /\bscript:/i.test(line)) ? [] : ['script: x'];
  return ['workflow: [a]', 'a:', '  image: alpine', ...[...lines, ...script].map((line) => `  ${line}`), ''].join('\n');
}

/** Returns the job of that file, which must be valid. */
export function parseJob(...lines: readonly string[]): Job {
  return parseValid(oneJob(...lines)).jobs[0]!;
}
