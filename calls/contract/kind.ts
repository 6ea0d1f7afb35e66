// A kind of call that can be declared without code: what its declaration may hold, and the body it becomes.

import type { Call, JsonSchema } from './call.ts';
import type { EngineName, PipelineAllowance } from './engines.ts';

/** Keys from a declaration down to a value; `*` is every item of a list or every value of a mapping. */
export type TextPath = readonly (string | number)[];

/** Where a declaration stands: paths in it are relative to its file. */
export interface Place {
  /** The absolute path. */
  path(relative: string): string;
  /** The text of a file (absolute), as it is now. Throws WorkFailed with the reason. */
  read(file: string): Promise<string>;
  /** What the operator lets pipelines of this call do. */
  readonly pipelines: PipelineAllowance;
}

export interface Kind {
  /** The key that makes a declaration one of this kind, and the engine its body uses. */
  readonly name: EngineName;
  /** JSON Schema of each key that this kind has beside the common ones; its own key among them. */
  readonly keys: Readonly<Record<string, JsonSchema>>;
  /** Texts in which `${param}` is replaced. */
  readonly templates: readonly TextPath[];
  /** Texts in which `${param}` is refused, and why. A text in both tables is refused. */
  readonly fixed: readonly { readonly path: TextPath; readonly why: string }[];
  /** The body of a call so declared. The declaration has passed the schema and the template checks. */
  bind(declaration: Readonly<Record<string, unknown>>, place: Place): Call['body'];
}

/** Every text of `value` that a path leads to, with the path spelled out. Looks only at what is there. */
export function textsAt(value: unknown, path: TextPath): readonly { readonly path: TextPath; readonly text: string }[] {
  const [key, ...rest] = path;
  if (key === undefined) return typeof value === 'string' ? [{ path: [], text: value }] : [];
  if (typeof value !== 'object' || value === null) return [];
  return keysOf(value, key).flatMap((found) =>
    textsAt((value as Record<string | number, unknown>)[found], rest).map((at) => ({ path: [found, ...at.path], text: at.text })));
}

function keysOf(value: object, key: string | number): readonly (string | number)[] {
  if (key !== '*') return Object.hasOwn(value, key) ? [key] : [];
  return Array.isArray(value) ? [...value.keys()] : Object.keys(value);
}
