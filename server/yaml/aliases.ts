// Resolves the aliases of a document in one pass.

import type { Alias, Document, Node } from 'yaml';
import { visit } from 'yaml';
import type { YamlError } from './yaml-error.ts';

export interface Aliases {
  readonly targets: ReadonlyMap<Alias, Node>;
  /** The last alias in the text. */
  readonly last?: Alias;
  readonly errors: readonly YamlError[];
}

/** Resolves each alias to the last anchor of its name before it. An anchor must not enclose an alias to it. */
export function resolveAliases(document: Document): Aliases {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  const errors: YamlError[] = [];
  let last: Alias | undefined;
  const resolve = (alias: Alias, ancestors: readonly unknown[]): void => {
    last = alias;
    const target = anchors.get(alias.source);
    const message =
      target === undefined
        ? `the alias "*${alias.source}" has no anchor "&${alias.source}" before it`
        : ancestors.includes(target)
          ? `the alias "*${alias.source}" is inside the value it repeats`
          : undefined;
    if (target !== undefined) targets.set(alias, target);
    if (message !== undefined) errors.push({ kind: 'alias', offset: alias.range?.[0] ?? 0, message });
  };
  visit(document, {
    Alias: (_key, alias, ancestors) => resolve(alias, ancestors),
    Value: (_key, node) => {
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return { targets, errors, ...(last !== undefined && { last }) };
}
