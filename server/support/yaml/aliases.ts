// What the aliases of a document stand for, found in one pass.

import { visit } from 'yaml';
import type { Alias, Document, Node } from 'yaml';
import type { Fault } from './fault.ts';

export interface Aliases {
  readonly targets: ReadonlyMap<Alias, Node>;
  /** The last one in the text. */
  readonly last?: Alias;
  readonly faults: readonly Fault[];
}

/** An alias stands for the last anchor of its name before it, which must not be around it. */
export function resolveAliases(document: Document): Aliases {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  const faults: Fault[] = [];
  let last: Alias | undefined;
  const meet = (alias: Alias, ancestors: readonly unknown[]): void => {
    last = alias;
    const target = anchors.get(alias.source);
    const message = target === undefined ? `there is no "&${alias.source}" before this "*${alias.source}"`
      : ancestors.includes(target) ? `"*${alias.source}" stands inside of what it repeats` : undefined;
    if (target !== undefined) targets.set(alias, target);
    if (message !== undefined) faults.push({ kind: 'alias', offset: alias.range?.[0] ?? 0, message });
  };
  visit(document, {
    Alias: (_key, alias, ancestors) => meet(alias, ancestors),
    Value: (_key, node) => { if (node.anchor !== undefined) anchors.set(node.anchor, node); },
  });
  return { targets, faults, ...(last !== undefined && { last }) };
}
