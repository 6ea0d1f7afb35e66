// Finds what a changed configuration file would remove. A file that its writer has not finished looks like one from
// which something was removed.

import { type Document, isCollection, isMap, isScalar, isSeq, type Node } from 'yaml';
import type { KeyPath } from '../../../calls/text/diagnostic.ts';
import { readYaml } from '../../yaml/read-document.ts';
import type { Config } from '../config.ts';
import { dropNulls } from '../load/drop-nulls.ts';
import { parseYaml } from '../load/parse.ts';
import { pathText } from '../load/yaml-source.ts';
import { isMapping } from '../loose-access.ts';

/** Signs that a changed file may be incomplete. If there are none, the file can be applied at once. */
export interface Loss {
  /** Keys and items that the configuration in force has and the new file does not have, such as `retention.age`. */
  readonly removed: readonly string[];
  /**
   * Path of the last value in the file, if that value is new and may be incomplete, such as a call without its last
   * keys.
   */
  readonly unfinished?: string;
}

/** A configuration and the text that it was loaded from. */
export interface LoadedText {
  readonly text: string;
  readonly config: Pick<Config, 'calls'>;
}

/** Compares valid configurations. Calls of modules count too, because a module can also be incomplete. */
export function findLoss(before: LoadedText, after: LoadedText): Loss {
  const [known, next] = [before, after].map(({ text }) => dropNulls(parseYaml('', text).value ?? {}));
  const removed = [...missingPaths(known, next, []).map(pathText), ...missingCalls(before.config, after.config)];
  const unfinished = unfinishedEnd(after.text, known);
  return {
    removed: removed.filter((path, index) => removed.indexOf(path) === index),
    ...(unfinished !== undefined && { unfinished }),
  };
}

export function isLossless({ removed, unfinished }: Loss): boolean {
  return removed.length === 0 && unfinished === undefined;
}

function missingCalls(before: Pick<Config, 'calls'>, after: Pick<Config, 'calls'>): readonly string[] {
  const names = new Set(after.calls.map(({ name }) => name));
  return before.calls.filter(({ name }) => !names.has(name)).map(({ name }) => pathText(['calls', name]));
}

/** Returns the shortest paths that exist in `known` only. Items of lists are compared by their position. */
function missingPaths(known: unknown, next: unknown, path: KeyPath): readonly KeyPath[] {
  if (Array.isArray(known) && Array.isArray(next))
    return known.flatMap((item, at) => missingChild(item, next[at] as unknown, [...path, at]));
  if (!isMapping(known) || !isMapping(next)) return [];
  return Object.entries(known).flatMap(([key, value]) =>
    missingChild(value, Object.hasOwn(next, key) ? next[key] : undefined, [...path, key]),
  );
}

function missingChild(known: unknown, next: unknown, path: KeyPath): readonly KeyPath[] {
  return next === undefined ? [path] : missingPaths(known, next, path);
}

/**
 * Returns the path of the last value of the text, if that value is new and may continue. A mapping or list in block
 * style may continue, and so may a value that is cut within its line. Brackets and quotes show where a value ends. A
 * value without quotes may continue on the next line, which only the value in force can show.
 */
function unfinishedEnd(text: string, known: unknown): string | undefined {
  const { document } = readYaml(text);
  const path: (string | number)[] = [];
  let before = known;
  for (let node = document.contents as Node | null; isCollection(node) && !node.flow; ) {
    const last = lastChild(document, node);
    if (last === undefined) return undefined;
    path.push(last.key);
    const value = childValue(before, last.key);
    if (value === undefined || !isCollection(last.node))
      return isSame(last.node, value) || (isComplete(last.node, text) && !isBeginning(last.node, value))
        ? undefined
        : pathText(path);
    before = value;
    node = last.node;
  }
  return undefined;
}

interface Child {
  readonly key: string | number;
  readonly node: Node | undefined;
}

function lastChild(document: Document, node: Node): Child | undefined {
  const items = isMap(node) || isSeq(node) ? node.items : [];
  const last = items.at(-1);
  if (last === undefined) return undefined;
  if (isSeq(node)) return { key: items.length - 1, node: last as Node };
  const { key, value } = last as { key: Node; value: Node | null };
  return { key: String(key.toJS(document)), node: value ?? undefined };
}

function childValue(value: unknown, key: string | number): unknown {
  if (Array.isArray(value)) return value[Number(key)] as unknown;
  return isMapping(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function isSame(node: Node | undefined, value: unknown): boolean {
  return isScalar(node) && node.value === value;
}

/** True if the node is a value without quotes that is the beginning of the string `value`. */
function isBeginning(node: Node | undefined, value: unknown): boolean {
  if (!isScalar(node) || node.type !== 'PLAIN' || typeof value !== 'string') return false;
  const text = node.source ?? '';
  return value.length > text.length && value.startsWith(text);
}

function isComplete(node: Node | undefined, text: string): boolean {
  if (isCollection(node)) return node.flow === true;
  if (!isScalar(node)) return true;
  if (node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED') return false;
  return node.type !== 'PLAIN' || typeof node.value === 'boolean' || /\n\s*$/.test(text);
}
