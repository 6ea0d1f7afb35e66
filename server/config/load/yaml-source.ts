// Locates diagnostics in a YAML text: from the keys that lead to a value to its line and column.

import type { FileDiagnostic, KeyDiagnostic, KeyPath } from '../../../calls/text/diagnostic.ts';
import { type IndexedText, toLocation } from '../../yaml/location.ts';
import type { TextRange, YamlValue } from '../../yaml/value-tree.ts';

export interface YamlSource {
  /**
   * Adds the location to a diagnostic. If the text does not contain the path, uses the last key of the path that
   * exists.
   */
  locate(diagnostic: KeyDiagnostic): FileDiagnostic;
  /** Returns a diagnostic at an offset in the text. */
  diagnosticAt(offset: number, message: string, path?: KeyPath): FileDiagnostic;
}

export interface YamlSourceOptions extends IndexedText {
  /** Name of the file, as the user wrote it. */
  readonly file: string;
}

/** `root` is absent if the text cannot be read; then only offsets can be located. */
export function createYamlSource(root: YamlValue | undefined, { file, text, lines }: YamlSourceOptions): YamlSource {
  const inRange = (range: TextRange, { path, message, suggestions = [] }: KeyDiagnostic): FileDiagnostic => {
    const location = toLocation(range, { text, lines });
    return {
      severity: 'error',
      file,
      ...location,
      path: pathText(path),
      message,
      suggestions,
      source: lineText(text, lines, location.line),
    };
  };
  return {
    locate: (diagnostic) =>
      inRange(targetRange(root, text, diagnostic), { ...diagnostic, path: diagnostic.section ?? diagnostic.path }),
    diagnosticAt: (offset, message, path = []) => inRange({ start: offset, end: offset + 1 }, { path, message }),
  };
}

function lineText(text: string, lines: IndexedText['lines'], line: number): string {
  const start = lines.lineStarts[line - 1] ?? 0;
  return (/^[^\r\n]*/.exec(text.slice(start)) ?? [''])[0];
}

/** Returns a path as text: `calls.greet.params[0]`. Quotes keys that are not plain words: `calls["a b"]`. */
export function pathText(path: KeyPath): string {
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      if (!/^[\w-]+$/.test(key)) return `[${JSON.stringify(key)}]`;
      return index === 0 ? key : `.${key}`;
    })
    .join('');
}

function targetRange(
  root: YamlValue | undefined,
  text: string,
  { path, at = 'value', text: part }: KeyDiagnostic,
): TextRange {
  const { key, value } = findRanges(root, path);
  const { start, end } = (at === 'key' || !hasWidth(value) ? key : undefined) ?? value ?? { start: 0, end: 0 };
  const index = part === undefined ? -1 : text.slice(start, end).indexOf(part);
  return index === -1 ? { start, end } : { start: start + index, end: start + index + part!.length };
}

/**
 * Returns false for an absent value. Its range has no width and follows its key, so the key is the better place to
 * show.
 */
function hasWidth(range: TextRange | undefined): boolean {
  return range !== undefined && range.end > range.start;
}

interface KeyRanges {
  readonly key?: TextRange;
  readonly value?: YamlValue | TextRange;
}

/** Follows the path as far as the text contains it. */
function findRanges(root: YamlValue | undefined, path: KeyPath): KeyRanges {
  let found: { readonly key?: TextRange; readonly value?: YamlValue } = root === undefined ? {} : { value: root };
  for (const key of path) {
    const next = child(found.value, key);
    if (next === undefined) return found.key === undefined ? found : { key: found.key, value: found.key };
    found = next;
  }
  return found;
}

function child(value: YamlValue | undefined, key: string | number): { key: TextRange; value: YamlValue } | undefined {
  if (value?.is === 'mapping') {
    const entry = value.entries.find((one) => one.key === String(key));
    return entry && { key: entry.at, value: entry.value };
  }
  const item = value?.is === 'list' ? value.items[Number(key)] : undefined;
  return item && { key: item, value: item };
}
