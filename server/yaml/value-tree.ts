// Converts a document to plain values that know their range in the text. An alias is the same value as its target.

import type { Node, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import { isAlias, isMap, isScalar, isSeq } from 'yaml';
import { isMergeKey } from './merge-keys.ts';
import type { YamlDocument } from './read-document.ts';

/** The range from `start` up to `end`; the character at `end` is not included. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

export type YamlValue = MappingValue | ListValue | TextValue | NumberValue | BooleanValue | NullValue;

export interface MappingValue extends TextRange {
  readonly is: 'mapping';
  /** Keys and values in the order of the text, then those of merge keys. A duplicate key appears twice. */
  readonly entries: readonly YamlEntry[];
}

export interface YamlEntry {
  readonly key: string;
  readonly at: TextRange;
  readonly value: YamlValue;
  /**
   * True if a merge key (`<<`) added the entry. The range of the entry is then in the mapping that the entry comes
   * from.
   */
  readonly merged?: true;
}

export interface ListValue extends TextRange {
  readonly is: 'list';
  readonly items: readonly YamlValue[];
}

export interface TextValue extends TextRange {
  readonly is: 'string';
  readonly text: string;
  readonly style: 'plain' | 'single' | 'double' | 'block';
}

export interface NumberValue extends TextRange {
  readonly is: 'number';
  readonly value: number;
  /** The number as written in the text: `1.10`. */
  readonly written: string;
}

export interface BooleanValue extends TextRange {
  readonly is: 'boolean';
  readonly value: boolean;
  readonly written: string;
}

/** The value `null`, or no value at all. Without a value, the range is empty. */
export interface NullValue extends TextRange {
  readonly is: 'null';
}

export interface ValueTree {
  readonly root: YamlValue;
  /** Number of values that aliases repeat in total. Above `repeatedMax`, merged entries may be missing. */
  readonly repeated: number;
}

/**
 * Converts a readable document. Takes time proportional to the text and to the merged entries, of which there are at
 * most `repeatedMax`. Values that aliases repeat take no additional time.
 */
export function buildValueTree(
  { document, aliases: { targets } }: Pick<YamlDocument, 'document' | 'aliases'>,
  { repeatedMax }: { readonly repeatedMax: number },
): ValueTree {
  let budget = repeatedMax;
  const takeBudget = (entries: number): boolean => {
    budget -= entries;
    return budget >= 0;
  };
  const anchored = new Map<Node, SizedValue>();
  let written = 0;
  const read = (node: unknown, from: number): SizedValue => {
    if (isAlias(node)) return anchored.get(targets.get(node)!) ?? nullAt(from);
    written += 1;
    const sized = isMap(node)
      ? readMapping(node, read, takeBudget)
      : isSeq(node)
        ? readList(node, read)
        : { value: readScalar(node as Scalar | null, from), size: 1 };
    if ((node as Node | null)?.anchor !== undefined) anchored.set(node as Node, sized);
    return sized;
  };
  const { value, size } = read(document.contents, 0);
  return { root: value, repeated: Math.max(size - written, budget < 0 ? repeatedMax + 1 : 0) };
}

/** A value and the number of values in it, itself included. */
interface SizedValue {
  readonly value: YamlValue;
  readonly size: number;
}

type ReadNode = (node: unknown, from: number) => SizedValue;

function nullAt(at: number): SizedValue {
  return { value: { is: 'null', start: at, end: at }, size: 1 };
}

function readMapping(map: YAMLMap, read: ReadNode, takeBudget: (entries: number) => boolean): SizedValue {
  let size = 1;
  const own: YamlEntry[] = [];
  const sources: YamlValue[] = [];
  for (const { key, value } of map.items) {
    const at = isScalar(key) ? rangeOfNode(key, map.range?.[0] ?? 0) : { start: 0, end: 0 };
    const child = read(value, at.end);
    size += child.size;
    if (isMergeKey(key)) sources.push(child.value);
    else own.push({ key: isScalar(key) ? String(key.value ?? '') : '', at, value: child.value });
  }
  const entries = sources.length === 0 ? own : mergeEntries(own, sources, takeBudget);
  return { value: { is: 'mapping', entries, ...rangeOfNode(map, 0) }, size };
}

/**
 * Returns the entries of a mapping and, after them, those that `sources` add. A key of the mapping wins over the
 * sources, and a source over later ones. `takeBudget` is called with the size of each source; if it returns false, the
 * source is left out.
 */
function mergeEntries(
  own: readonly YamlEntry[],
  sources: readonly YamlValue[],
  takeBudget: (entries: number) => boolean,
): readonly YamlEntry[] {
  const keys = new Set(own.map(({ key }) => key));
  const merged = [...own];
  for (const source of sources.flatMap((value) => (value.is === 'list' ? value.items : [value]))) {
    if (source.is !== 'mapping' || !takeBudget(source.entries.length)) continue;
    for (const entry of source.entries) {
      if (keys.has(entry.key)) continue;
      keys.add(entry.key);
      merged.push({ ...entry, merged: true });
    }
  }
  return merged;
}

function readList(list: YAMLSeq, read: ReadNode): SizedValue {
  let size = 1;
  const items = list.items.map((item) => {
    const child = read(item, list.range?.[0] ?? 0);
    size += child.size;
    return child.value;
  });
  return { value: { is: 'list', items, ...rangeOfNode(list, 0) }, size };
}

function readScalar(node: Scalar | null, from: number): YamlValue {
  const range = rangeOfNode(node, from);
  const value: unknown = node?.value;
  const written = node?.source ?? String(value);
  switch (typeof value) {
    case 'string':
      return { is: 'string', text: value, style: scalarStyle(node), ...range };
    case 'number':
      return { is: 'number', value, written, ...range };
    case 'bigint':
      return { is: 'number', value: Number(value), written, ...range };
    case 'boolean':
      return { is: 'boolean', value, written, ...range };
    default:
      return { is: 'null', ...range };
  }
}

function rangeOfNode(node: Node | null, from: number): TextRange {
  const [start, end] = node?.range ?? [from, from];
  return { start, end };
}

function scalarStyle(node: Scalar | null): TextValue['style'] {
  switch (node?.type) {
    case 'QUOTE_SINGLE':
      return 'single';
    case 'QUOTE_DOUBLE':
      return 'double';
    case 'BLOCK_LITERAL':
    case 'BLOCK_FOLDED':
      return 'block';
    default:
      return 'plain';
  }
}

/** Returns the value as plain data. The last of several equal keys wins. */
export function toPlainValue(value: YamlValue): unknown {
  switch (value.is) {
    case 'mapping':
      return Object.fromEntries(value.entries.map((entry) => [entry.key, toPlainValue(entry.value)]));
    case 'list':
      return value.items.map(toPlainValue);
    case 'string':
      return value.text;
    case 'null':
      return null;
    default:
      return value.value;
  }
}
