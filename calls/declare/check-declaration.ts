// Checks of a declared call that a JSON Schema cannot express. Reports every error at once.

import type { Kind, TextPath } from '../contract/kind.ts';
import { collectTexts } from '../contract/kind.ts';
import { placeholders } from '../contract/substitute.ts';
import type { KeyDiagnostic } from '../text/diagnostic.ts';
import { didYouMean } from '../text/suggest.ts';
import { checkParamList } from './check-param-list.ts';
import { checkBytes, checkPolicies } from './policies.ts';

type Declaration = Readonly<Record<string, unknown>>;

/** Returns every error that a schema cannot express. Ignores values of the wrong type, which the schema reports. */
export function checkDeclaration(declaration: Declaration, kinds: readonly Kind[]): readonly KeyDiagnostic[] {
  const declaredKinds = kinds.filter(({ name }) => Object.hasOwn(declaration, name));
  return [
    ...checkKinds(declaredKinds, kinds),
    ...checkParamList(declaration['params']).map((problem) => ({ ...problem, path: ['params', ...problem.path] })),
    ...checkPolicies(declaration['concurrency'], paramNames(declaration['params'])),
    ...declaredKinds.flatMap((kind) => [...checkTemplates(declaration, kind), ...checkBytes(declaration, kind.name)]),
    ...programPaths.flatMap((path) => checkProgram(declaration, path)),
    ...(declaredKinds.length === 1 ? checkForeignKeys(declaration, declaredKinds[0]!, kinds) : []),
  ];
}

/**
 * Lists whose first item is a program. `container.entrypoint` is not one of them: an empty item there removes the
 * entrypoint of the image.
 */
const programPaths = [['process'], ['terminal'], ['container', 'command']] as const;

function checkProgram(declaration: Declaration, path: readonly string[]): readonly KeyDiagnostic[] {
  const list = path.reduce<unknown>((value, key) => (value as Declaration | null | undefined)?.[key], declaration);
  const program: unknown = Array.isArray(list) ? list[0] : undefined;
  return typeof program === 'string' && program.trim() === ''
    ? [{ path: [...path, 0], message: 'the program is empty; write its name or its path' }]
    : [];
}

/** Returns the first of `kinds` whose key the declaration has; undefined if there is none. */
export function findKind(declaration: Declaration, kinds: readonly Kind[]): Kind | undefined {
  return kinds.find(({ name }) => Object.hasOwn(declaration, name));
}

function checkKinds(declaredKinds: readonly Kind[], kinds: readonly Kind[]): readonly KeyDiagnostic[] {
  const [first, second] = declaredKinds;
  if (first === undefined) {
    const names = kinds.map(({ name }) => name).join(', ');
    return [{ path: [], at: 'key', message: `the call has no kind: add one of the keys ${names}` }];
  }
  if (second === undefined) return [];
  const names = declaredKinds.map(({ name }) => name).join(' and ');
  const message = `a call has one kind, but this one has ${names}; keep one of them`;
  return [{ path: [second.name], at: 'key', message }];
}

/** Reports keys that belong to other kinds. */
function checkForeignKeys(declaration: Declaration, kind: Kind, kinds: readonly Kind[]): readonly KeyDiagnostic[] {
  return Object.keys(declaration)
    .filter((key) => !Object.hasOwn(kind.keys, key))
    .flatMap((key) => {
      const others = kinds.filter(({ keys }) => Object.hasOwn(keys, key)).map(({ name }) => name);
      const message = `"${key}" is for calls of kind ${others.join(' and ')}; this one is ${kind.name}`;
      return others.length === 0 ? [] : [{ path: [key], at: 'key' as const, message }];
    });
}

function checkTemplates(declaration: Declaration, kind: Kind): readonly KeyDiagnostic[] {
  const fixed = kind.fixed.flatMap(({ path, why }) =>
    collectTexts(declaration, path).map((match) => ({ ...match, why })),
  );
  const isFixed = (path: TextPath) => fixed.some((entry) => entry.path.join('\0') === path.join('\0'));
  const templates = kind.templates
    .flatMap((path) => collectTexts(declaration, path))
    .filter(({ path }) => !isFixed(path));
  const names = paramNames(declaration['params']);
  return [
    ...fixed.flatMap(({ path, text, why }) =>
      distinctPlaceholders(text).map((found) => ({
        path,
        text: found.text,
        message: `${found.text} cannot be used here: ${why}`,
      })),
    ),
    ...templates.flatMap(({ path, text }) =>
      distinctPlaceholders(text)
        .filter(({ name }) => name === undefined || !names.includes(name))
        .map((found) => ({ path, text: found.text, message: unknownParamMessage(found.text, found.name, names) })),
    ),
  ];
}

function unknownParamMessage(text: string, name: string | undefined, names: readonly string[]): string {
  const hint = `write $${text} to pass ${text} to the program`;
  if (name === undefined) return `${text} is not a parameter name; ${hint}`;
  return `${text} is not a parameter of this call${didYouMean(name, names) || `; declare it under params, or ${hint}`}`;
}

function distinctPlaceholders(text: string): ReturnType<typeof placeholders> {
  const found = placeholders(text);
  return found.filter((one, at) => found.findIndex((other) => other.text === one.text) === at);
}

function paramNames(params: unknown): readonly string[] {
  const items: readonly unknown[] = Array.isArray(params) ? params : [];
  return items.map((item) => (item as { name?: unknown } | null)?.name).filter((name) => typeof name === 'string');
}
