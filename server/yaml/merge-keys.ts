// Merge keys (`<<`): a mapping takes over the entries of other mappings, except those that it has itself.
// Source: https://yaml.org/type/merge.html

import type { Alias, Document, Node } from 'yaml';
import { isAlias, isMap, isScalar, isSeq, Scalar, visit } from 'yaml';
import type { YamlError } from './yaml-error.ts';

/** True for the plain word `<<`. In quotes it is an ordinary key. */
export function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.value === '<<' && (key.type === undefined || key.type === Scalar.PLAIN);
}

/** Returns an error for each value of a merge key that is neither a mapping, nor a list of mappings, nor empty. */
export function mergeErrors(document: Document, targets: ReadonlyMap<Alias, Node>): readonly YamlError[] {
  const errors: YamlError[] = [];
  const resolve = (node: unknown): unknown => (isAlias(node) ? targets.get(node) : node);
  const check = (node: unknown, keyOffset: number): void => {
    const target = resolve(node);
    if (target === undefined || target === null || isMap(target) || (isScalar(target) && target.value === null)) return;
    errors.push({
      kind: 'merge',
      offset: (node as Node).range?.[0] ?? keyOffset,
      message: 'a merge key (<<) takes a mapping or a list of mappings, such as <<: *base or <<: [*base, *more]',
    });
  };
  visit(document, {
    Pair: (_key, { key, value }) => {
      if (!isMergeKey(key)) return;
      const keyOffset = (key as Scalar).range?.[0] ?? 0;
      const sources = resolve(value);
      for (const source of isSeq(sources) ? sources.items : [value]) check(source, keyOffset);
    },
  });
  return errors;
}
