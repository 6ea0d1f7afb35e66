// Errors of a YAML text itself, independent of the meaning of the text.

import type { LineCounter } from 'yaml';

export interface YamlError {
  readonly kind: 'syntax' | 'bound' | 'alias' | 'merge' | 'duplicate';
  /** Position of the error, as an offset in the text. */
  readonly offset: number;
  readonly message: string;
  /** Error code of the parser, for errors of kind `syntax`. */
  readonly code?: string;
  /** Path of the mapping, for errors of kind `duplicate`. */
  readonly path?: readonly (string | number)[];
}

/** Keeps one error per line, because one mistake often causes several. */
export function firstErrorPerLine(faults: readonly YamlError[], lines: LineCounter): readonly YamlError[] {
  const seen = new Set<number>();
  return faults.filter(({ offset }) => {
    const { line } = lines.linePos(offset);
    return !seen.has(line) && seen.add(line);
  });
}
