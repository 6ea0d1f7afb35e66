// A kind of call that distillery.yaml can declare: its keys, and the body that a declaration becomes.

import type { Call, JsonSchema, Requirements } from './call.ts';
import type { EngineName, PipelinePermissions } from './engines.ts';

/** Path from a declaration to a value; `*` matches every list item or mapping value. */
export type TextPath = readonly (string | number)[];

/** The file that contains a declaration. Paths in the declaration are relative to this file. */
export interface DeclarationSource {
  /** Returns the absolute path of `relative`. */
  path(relative: string): string;
  /** Reads the current text of a file (absolute path). Throws WorkFailed with the reason. */
  read(file: string): Promise<string>;
  /** What the operator permits the pipelines of this call to use. */
  readonly pipelines: PipelinePermissions;
}

export interface Kind {
  /** The key that selects this kind, and the engine that its body uses. */
  readonly name: EngineName;
  /** JSON Schema of each key of this kind, its own key included. `commonKeys` has the keys of all kinds. */
  readonly keys: Readonly<Record<string, JsonSchema>>;
  /** Paths of the strings in which `${param}` is replaced. */
  readonly templates: readonly TextPath[];
  /** Paths of the strings in which `${param}` is rejected, and why. Takes precedence over `templates`. */
  readonly fixed: readonly { readonly path: TextPath; readonly why: string }[];
  /** Returns what a declared call needs from the machine. The declaration has passed all checks. */
  requires?(declaration: Readonly<Record<string, unknown>>, source: DeclarationSource): Requirements;
  /** Returns the body of a declared call. The declaration has passed the schema and the template checks. */
  bind(declaration: Readonly<Record<string, unknown>>, source: DeclarationSource): Call['body'];
}

/** Returns every string of `value` that matches a path, each with its exact path. Ignores missing values. */
export function collectTexts(
  value: unknown,
  path: TextPath,
): readonly { readonly path: TextPath; readonly text: string }[] {
  const [key, ...rest] = path;
  if (key === undefined) return typeof value === 'string' ? [{ path: [], text: value }] : [];
  if (typeof value !== 'object' || value === null) return [];
  return matchingKeys(value, key).flatMap((next) =>
    collectTexts((value as Record<string | number, unknown>)[next], rest).map((match) => ({
      path: [next, ...match.path],
      text: match.text,
    })),
  );
}

function matchingKeys(value: object, key: string | number): readonly (string | number)[] {
  if (key !== '*') return Object.hasOwn(value, key) ? [key] : [];
  return Array.isArray(value) ? [...value.keys()] : Object.keys(value);
}
