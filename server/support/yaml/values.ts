// A document as plain values that know where they stand in the text. An alias is the very value it stands for.

import { isAlias, isMap, isScalar, isSeq } from 'yaml';
import type { Node, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import type { YamlDocument } from './document.ts';

/** From `start` up to and not including `end`. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

export type YamlValue = MappingValue | ListValue | TextValue | NumberValue | BooleanValue | NullValue;

export interface MappingValue extends Extent {
  readonly is: 'mapping';
  /** As they stand there; a key given twice is there twice. */
  readonly entries: readonly YamlEntry[];
}

export interface YamlEntry {
  readonly key: string;
  readonly at: Extent;
  readonly value: YamlValue;
}

export interface ListValue extends Extent {
  readonly is: 'list';
  readonly items: readonly YamlValue[];
}

export interface TextValue extends Extent {
  readonly is: 'string';
  readonly text: string;
  readonly style: 'plain' | 'single' | 'double' | 'block';
}

export interface NumberValue extends Extent {
  readonly is: 'number';
  readonly value: number;
  /** As it stands in the text: `1.10`. */
  readonly written: string;
}

export interface BooleanValue extends Extent {
  readonly is: 'boolean';
  readonly value: boolean;
  readonly written: string;
}

/** Nothing was written, or `null`. Of no width in the first case. */
export interface NullValue extends Extent {
  readonly is: 'null';
}

export interface YamlValues {
  readonly root: YamlValue;
  /** Values that aliases repeat, all in all. */
  readonly repeated: number;
}

/** Of a document that is readable. Takes time in proportion to the text, however often aliases repeat what they stand for. */
export function valuesOf({ document, aliases: { targets } }: YamlDocument): YamlValues {
  const made = new Map<Node, Sized>();
  let written = 0;
  const read = (node: unknown, from: number): Sized => {
    if (isAlias(node)) return made.get(targets.get(node)!) ?? nothing(from);
    written += 1;
    const sized = isMap(node) ? readMapping(node, read) : isSeq(node) ? readList(node, read) : { value: readScalar(node as Scalar | null, from), size: 1 };
    if ((node as Node | null)?.anchor !== undefined) made.set(node as Node, sized);
    return sized;
  };
  const { value, size } = read(document.contents, 0);
  return { root: value, repeated: size - written };
}

/** A value, and how many it is with all that it holds. */
interface Sized {
  readonly value: YamlValue;
  readonly size: number;
}

type Read = (node: unknown, from: number) => Sized;

function nothing(at: number): Sized {
  return { value: { is: 'null', start: at, end: at }, size: 1 };
}

function readMapping(map: YAMLMap, read: Read): Sized {
  let size = 1;
  const entries = map.items.map(({ key, value }): YamlEntry => {
    const at = isScalar(key) ? extentOf(key, map.range?.[0] ?? 0) : { start: 0, end: 0 };
    const held = read(value, at.end);
    size += held.size;
    return { key: isScalar(key) ? String(key.value ?? '') : '', at, value: held.value };
  });
  return { value: { is: 'mapping', entries, ...extentOf(map, 0) }, size };
}

function readList(list: YAMLSeq, read: Read): Sized {
  let size = 1;
  const items = list.items.map((item) => {
    const held = read(item, list.range?.[0] ?? 0);
    size += held.size;
    return held.value;
  });
  return { value: { is: 'list', items, ...extentOf(list, 0) }, size };
}

function readScalar(node: Scalar | null, from: number): YamlValue {
  const extent = extentOf(node, from);
  const value: unknown = node?.value;
  const written = node?.source ?? String(value);
  switch (typeof value) {
    case 'string': return { is: 'string', text: value, style: styleOf(node), ...extent };
    case 'number': return { is: 'number', value, written, ...extent };
    case 'bigint': return { is: 'number', value: Number(value), written, ...extent };
    case 'boolean': return { is: 'boolean', value, written, ...extent };
    default: return { is: 'null', ...extent };
  }
}

function extentOf(node: Node | null, from: number): Extent {
  const [start, end] = node?.range ?? [from, from];
  return { start, end };
}

function styleOf(node: Scalar | null): TextValue['style'] {
  switch (node?.type) {
    case 'QUOTE_SINGLE': return 'single';
    case 'QUOTE_DOUBLE': return 'double';
    case 'BLOCK_LITERAL': case 'BLOCK_FOLDED': return 'block';
    default: return 'plain';
  }
}
