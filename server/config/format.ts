// Problems as people read them in a terminal: where, what, the line itself, and a caret under the spot.

import { excerpt, printable } from '../support/yaml/excerpt.ts';
import type { Problem } from './problem.ts';

const plain = { place: '', caret: '', end: '' };
const colours = { place: '\x1b[1m', caret: '\x1b[31m', end: '\x1b[0m' };

/** One text, each problem with its source line and caret, without a newline at the end. */
export function formatProblems(problems: readonly Problem[], { colour = false }: { readonly colour?: boolean } = {}): string {
  const paint = colour ? colours : plain;
  return problems.map((problem) => [headline(problem, paint), ...spot(problem, paint)].join('\n')).join('\n');
}

/** `distillery.yaml:12:5: calls.greet: unknown key "tmeout"; did you mean "timeout"?`: one line, also for the log. */
export function formatProblem(problem: Problem): string {
  return headline(problem, plain);
}

function headline({ file, line, column, path, message }: Problem, paint: typeof plain): string {
  const place = line === 0 ? `${file}:` : `${file}:${line}:${column}:`;
  const what = [...(path === '' ? [] : [`${path}:`]), message].join(' ');
  return `${paint.place}${printable(place)}${paint.end} ${printable(what)}`;
}

function spot({ line, column, source }: Problem, paint: typeof plain): readonly string[] {
  return line === 0 ? [] : excerpt(source, { column, paint: [paint.caret, paint.end] });
}
