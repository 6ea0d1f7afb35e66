// A mistake in a YAML text, before anything is known of what the text is for.

import type { LineCounter } from 'yaml';

export interface Fault {
  readonly kind: 'syntax' | 'bound' | 'alias' | 'duplicate';
  /** In the text. */
  readonly offset: number;
  readonly message: string;
  /** The parser's own word, of kind `syntax`. */
  readonly code?: string;
  /** To the mapping that has it, of kind `duplicate`. */
  readonly path?: readonly (string | number)[];
}

/** One slip makes the parser stumble several times over. */
export function firstPerLine(faults: readonly Fault[], lines: LineCounter): readonly Fault[] {
  const seen = new Set<number>();
  return faults.filter(({ offset }) => {
    const { line } = lines.linePos(offset);
    return !seen.has(line) && seen.add(line);
  });
}
