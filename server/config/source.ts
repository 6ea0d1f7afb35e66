// The YAML document with the way back: from the keys that lead to a value to its line and column.

import { isAlias, isMap, isScalar, isSeq, LineCounter } from 'yaml';
import type { Document, Node, Pair } from 'yaml';
import type { Problem } from './problem.ts';

export type KeyPath = readonly (string | number)[];

/** What of a value is meant: its key, the value, or the first place in it where a text stands. */
export interface Spot {
  readonly path: KeyPath;
  readonly at?: 'key' | 'value';
  readonly text?: string;
  /** The path to be named, where it is not that of the spot: an unknown key is a mistake of what holds it. */
  readonly of?: KeyPath;
}

/** Makes problems that know where they stand. */
export interface Source {
  readonly document: Document;
  /** Where the path cannot be found to its end, the nearest key above is the place. */
  problem(spot: Spot, message: string): Problem;
  problemAt(offset: number, message: string, path?: string): Problem;
  pathText(path: KeyPath): string;
  lineOf(offset: number): number;
}

export interface SourceText {
  /** As it is to be named in problems. */
  readonly file: string;
  readonly text: string;
  readonly lines: LineCounter;
}

export function createSource(document: Document, { file, text, lines }: SourceText): Source {
  const problemAt = (offset: number, message: string, path = ''): Problem => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { file, line, column: col, path, message, source: lineText(text, lines, line) };
  };
  return {
    document,
    problemAt,
    lineOf: (offset) => lines.linePos(offset).line,
    pathText: (path) => pathText(path),
    problem: (spot, message) => problemAt(offsetOf(document, text, spot), message, pathText(spot.of ?? spot.path)),
  };
}

function lineText(text: string, lines: LineCounter, line: number): string {
  const start = lines.lineStarts[line - 1] ?? 0;
  return (/^[^\r\n]*/.exec(text.slice(start)) ?? [''])[0];
}

/** `calls.greet.params[0]`; a key that is no plain word is quoted: `calls["a b"]`. */
function pathText(path: KeyPath): string {
  return path.map((key, at) => {
    if (typeof key === 'number') return `[${key}]`;
    if (!/^[\w-]+$/.test(key)) return `[${JSON.stringify(key)}]`;
    return at === 0 ? key : `.${key}`;
  }).join('');
}

function offsetOf(document: Document, text: string, { path, at = 'value', text: within }: Spot): number {
  const { key, value } = find(document, path);
  const node = at === 'key' ? (key ?? value) : hasExtent(value) ? value : (key ?? value);
  const [start = 0, end = 0] = node?.range ?? [];
  if (within === undefined) return start;
  const found = text.slice(start, end).indexOf(within);
  return found === -1 ? start : start + found;
}

/** An absent value has a position of no width behind its key; the key is what people look for. */
function hasExtent(node: Node | undefined): boolean {
  return node?.range != null && node.range[1] > node.range[0];
}

interface Found {
  readonly key?: Node | undefined;
  readonly value?: Node | undefined;
}

/** Goes down as far as the document does. Aliases lead to what they stand for. */
function find(document: Document, path: KeyPath): Found {
  let found: Found = { value: document.contents ?? undefined };
  for (const key of path) {
    const next = child(document, found.value, key);
    if (next === undefined) return found.key === undefined ? found : { key: found.key, value: found.key };
    found = next;
  }
  return found;
}

function child(document: Document, node: Node | undefined, key: string | number): Found | undefined {
  const target = isAlias(node) ? node.resolve(document) : node;
  if (isMap(target)) {
    const pair = target.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key)) as Pair<Node, Node | null> | undefined;
    return pair && { key: pair.key, value: pair.value ?? pair.key };
  }
  if (!isSeq(target)) return undefined;
  const item = target.items[Number(key)] as Node | undefined;
  return item && { key: item, value: item };
}
