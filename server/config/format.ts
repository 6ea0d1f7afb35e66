// Problems as people read them in a terminal: where, what, the line itself, and a caret under the spot.

import type { Problem } from './problem.ts';

/** Lines longer than this are shown around the spot only. */
const sourceCharsMax = 120;

const plain = { place: '', caret: '', end: '' };
const colours = { place: '\x1b[1m', caret: '\x1b[31m', end: '\x1b[0m' };

/** One text, each problem with its source line and caret, without a newline at the end. */
export function formatProblems(problems: readonly Problem[], { colour = false }: { readonly colour?: boolean } = {}): string {
  const paint = colour ? colours : plain;
  return problems.map((problem) => [headline(problem, paint), ...excerpt(problem, paint)].join('\n')).join('\n');
}

/** `distillery.yaml:12:5: calls.greet: unknown key "tmeout"; did you mean "timeout"?`: one line, also for the log. */
export function formatProblem(problem: Problem): string {
  return headline(problem, plain);
}

function headline({ file, line, column, path, message }: Problem, paint: typeof plain): string {
  const place = line === 0 ? `${file}:` : `${file}:${line}:${column}:`;
  return [`${paint.place}${place}${paint.end}`, ...(path === '' ? [] : [`${path}:`]), message].join(' ');
}

function excerpt({ line, column, source }: Problem, paint: typeof plain): readonly string[] {
  if (line === 0) return [];
  const from = column > sourceCharsMax ? column - Math.floor(sourceCharsMax / 2) : 0;
  const shown = printable(source.slice(from, from + sourceCharsMax));
  // Tabs stay tabs, so that the caret stands under the spot however wide they are.
  const indent = source.slice(from, column - 1).replace(/[^\t]/g, ' ');
  return [`    ${shown}`, `    ${indent}${paint.caret}^${paint.end}`];
}

/** A terminal must not obey what a file contains. */
function printable(text: string): string {
  return text.replace(/[\0-\x08\x0a-\x1f\x7f-\x9f]/g, '\u{fffd}');
}
