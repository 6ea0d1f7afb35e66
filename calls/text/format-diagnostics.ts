// Prints diagnostics: for a terminal with the source line and a caret, for logs and messages as one line.

import { codeFrame, printable } from './code-frame.ts';
import type { Diagnostic, FileDiagnostic } from './diagnostic.ts';

const withoutColors = { location: '', error: '', warning: '', end: '' };
const colours: typeof withoutColors = { location: '\x1b[1m', error: '\x1b[31m', warning: '\x1b[33m', end: '\x1b[0m' };

/**
 * Returns one block per diagnostic: headline, source line with carets, hints. Without a final newline; empty if there
 * are no diagnostics.
 */
export function formatDiagnostics(
  diagnostics: readonly FileDiagnostic[],
  { colour = false }: { readonly colour?: boolean } = {},
): string {
  const paint = colour ? colours : withoutColors;
  return diagnostics.flatMap((diagnostic) => formatBlock(diagnostic, paint)).join('\n');
}

/**
 * Returns one line without the severity: `distillery.yaml:12:5: calls.greet: unknown key "tmeout"; did you mean
 * "timeout"?`.
 */
export function formatDiagnosticLine(diagnostic: Diagnostic & Pick<FileDiagnostic, 'file'>): string {
  const message = [diagnostic.message, ...diagnostic.suggestions].join('; ');
  return printable([location(diagnostic), ...diagnosticSubject(diagnostic), message].join(' '));
}

/** Joins as many lines as fit into `charsMax`, at least one, and states how many are missing. */
export function joinDiagnosticLines(lines: readonly string[], charsMax: number): string {
  let chars = 0;
  const kept = lines.filter((line, index) => {
    chars += line.length + 1;
    return index === 0 || chars <= charsMax;
  });
  const omitted = lines.length - kept.length;
  return [...kept.map((line) => line.slice(0, charsMax)), ...(omitted === 0 ? [] : [`and ${omitted} more`])].join('\n');
}

function formatBlock(diagnostic: FileDiagnostic, paint: typeof withoutColors): readonly string[] {
  const { severity, line, column, length, source, suggestions } = diagnostic;
  const message = printable([...diagnosticSubject(diagnostic), diagnostic.message].join(' '));
  const place = `${paint.location}${printable(location(diagnostic))}${paint.end}`;
  return [
    `${place} ${paint[severity]}${severity}:${paint.end} ${message}`,
    ...(line === 0 ? [] : codeFrame(source, { column, length, paint: [paint[severity], paint.end] })),
    ...suggestions.map((suggestion) => `    hint: ${printable(suggestion)}`),
  ];
}

function location({ file, line, column }: Pick<FileDiagnostic, 'file' | 'line' | 'column'>): string {
  return line === 0 ? `${file}:` : `${file}:${line}:${column}:`;
}

/** Returns the path of a configuration key, or the job and key of a pipeline: `build.image:`. */
function diagnosticSubject({ path, job, field }: Diagnostic): readonly string[] {
  const name = path ?? [job, field].filter((part) => part !== undefined).join('.');
  return name === '' ? [] : [`${name}:`];
}
