// What can be wrong with the params of a call, beyond what a schema can say.

import type { JsonSchema } from './call.ts';
import { compileParamSchema } from './param-schema.ts';
import type { ValueCheck } from './param-schema.ts';
import { quote } from './quote.ts';

/** A mistake in a declaration, with the keys that lead to it. `text` is the part of the value that is wrong, when it is not all of it. */
export interface DeclarationProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly text?: string;
  /** Whether the mistake is in the last key rather than in what stands there. */
  readonly at?: 'key';
}

interface Item {
  readonly name?: unknown;
  readonly schema?: unknown;
  readonly default?: unknown;
}

/** Every mistake in a list of params. Parts of the wrong shape are passed over: the schema of the file tells of those. */
export function paramListProblems(params: unknown): readonly DeclarationProblem[] {
  const items = (Array.isArray(params) ? params : []).map((item: unknown) => (typeof item === 'object' && item !== null ? item : {}) as Item);
  return items.flatMap((item, at) => [
    ...nameProblems(item, at, items),
    ...orderProblems(item, at, items),
    ...schemaProblems(item, at),
  ]);
}

function nameProblems({ name }: Item, at: number, items: readonly Item[]): readonly DeclarationProblem[] {
  const first = items.findIndex((other) => other.name === name);
  if (typeof name !== 'string' || first === at) return [];
  return [{ path: [at, 'name'], message: `there are two parameters named ${quote(name)}; the first is number ${first + 1}` }];
}

/** Values on the wire have no names, so only the last ones can be left out. */
function orderProblems(item: Item, at: number, items: readonly Item[]): readonly DeclarationProblem[] {
  const later = items.slice(at + 1).find((other) => other.default === undefined);
  if (item.default === undefined || later === undefined) return [];
  const message = `${quote(item.name)} has a default and stands before ${quote(later.name)}, which has none; move it behind, or give both a default`;
  return [{ path: [at, 'default'], message }];
}

function schemaProblems({ schema, default: value }: Item, at: number): readonly DeclarationProblem[] {
  if (schema !== undefined && (typeof schema !== 'object' || schema === null || Array.isArray(schema))) return [];
  const check = compiledOr(schema as JsonSchema | undefined);
  if (typeof check === 'string') return [{ path: [at, 'schema'], message: check }];
  const found = typeof value === 'string' ? check(value) : [];
  return found.length === 0 ? [] : [{ path: [at, 'default'], message: `${quote(value)} does not fit the schema: ${found.join(' and ')}` }];
}

function compiledOr(schema: JsonSchema | undefined): ValueCheck | string {
  try {
    return compileParamSchema(schema);
  } catch (error) {
    return (error as Error).message;
  }
}
