// What can be wrong with a declared call, beyond what a schema can say. Every mistake is told at once.

import type { Kind, TextPath } from './kind.ts';
import { textsAt } from './kind.ts';
import { paramListProblems } from './param-list.ts';
import type { DeclarationProblem } from './param-list.ts';
import { policyProblems } from './policies.ts';
import { placeholders } from './substitute.ts';
import { didYouMean } from './suggest.ts';

type Declaration = Readonly<Record<string, unknown>>;

/** Mistakes in how many kinds a declaration has, in its params and what refers to them, and in its placeholders. Passes over parts of the wrong shape. */
export function declarationProblems(declaration: Declaration, kinds: readonly Kind[]): readonly DeclarationProblem[] {
  const present = kinds.filter(({ name }) => Object.hasOwn(declaration, name));
  return [
    ...kindProblems(present, kinds),
    ...paramListProblems(declaration['params']).map((problem) => ({ ...problem, path: ['params', ...problem.path] })),
    ...policyProblems(declaration['concurrency'], paramNames(declaration['params'])),
    ...present.flatMap((kind) => templateProblems(declaration, kind)),
    ...(present.length === 1 ? strangeKeys(declaration, present[0]!, kinds) : []),
  ];
}

/** The kind of a declaration that has exactly one. */
export function kindOf(declaration: Declaration, kinds: readonly Kind[]): Kind | undefined {
  return kinds.find(({ name }) => Object.hasOwn(declaration, name));
}

function kindProblems(present: readonly Kind[], kinds: readonly Kind[]): readonly DeclarationProblem[] {
  const [, second] = present;
  if (second !== undefined) {
    return [{ path: [second.name], at: 'key', message: `a call is of one kind, and this is ${present.map(({ name }) => name).join(' and ')}; keep one of them` }];
  }
  if (present.length === 1) return [];
  return [{ path: [], at: 'key', message: `what shall it do? Write one of the keys ${kinds.map(({ name }) => name).join(', ')}` }];
}

/** Keys that only other kinds have. */
function strangeKeys(declaration: Declaration, kind: Kind, kinds: readonly Kind[]): readonly DeclarationProblem[] {
  return Object.keys(declaration).filter((key) => !Object.hasOwn(kind.keys, key)).flatMap((key) => {
    const others = kinds.filter(({ keys }) => Object.hasOwn(keys, key)).map(({ name }) => name);
    const message = `"${key}" is for calls of kind ${others.join(' and ')}; this one is ${kind.name}`;
    return others.length === 0 ? [] : [{ path: [key], at: 'key' as const, message }];
  });
}

function templateProblems(declaration: Declaration, kind: Kind): readonly DeclarationProblem[] {
  const fixed = kind.fixed.flatMap(({ path, why }) => textsAt(declaration, path).map((at) => ({ ...at, why })));
  const isFixed = (path: TextPath) => fixed.some((at) => at.path.join('\0') === path.join('\0'));
  const templates = kind.templates.flatMap((path) => textsAt(declaration, path)).filter(({ path }) => !isFixed(path));
  const names = paramNames(declaration['params']);
  return [
    ...fixed.flatMap(({ path, text, why }) => distinct(text).map((found) => ({ path, text: found.text, message: `${found.text} is not replaced here: ${why}` }))),
    ...templates.flatMap(({ path, text }) => distinct(text)
      .filter(({ name }) => name === undefined || !names.includes(name))
      .map((found) => ({ path, text: found.text, message: unknownParam(found.text, found.name, names) }))),
  ];
}

function unknownParam(text: string, name: string | undefined, names: readonly string[]): string {
  const way = `write $${text} if the program is to see ${text}`;
  if (name === undefined) return `${text} is not the name of a parameter; ${way}`;
  return `${text} is not a parameter of this call${didYouMean(name, names) || `; declare it under params, or ${way}`}`;
}

function distinct(text: string): ReturnType<typeof placeholders> {
  const found = placeholders(text);
  return found.filter((one, at) => found.findIndex((other) => other.text === one.text) === at);
}

function paramNames(params: unknown): readonly string[] {
  const items: readonly unknown[] = Array.isArray(params) ? params : [];
  return items.map((item) => (item as { name?: unknown } | null)?.name).filter((name) => typeof name === 'string');
}
