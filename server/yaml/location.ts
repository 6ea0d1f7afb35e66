// Converts offsets in a YAML text to lines and columns.

import type { LineCounter } from 'yaml';
import type { SourceLocation } from '../../calls/text/diagnostic.ts';
import type { TextRange } from './value-tree.ts';

/** A text with its line index. */
export interface IndexedText {
  readonly text: string;
  readonly lines: LineCounter;
}

/** Returns the location of a range. For a range over several lines, the location ends with the first line. */
export function toLocation({ start, end }: TextRange, { text, lines }: IndexedText): SourceLocation {
  const from = Math.min(start, text.length);
  const { line, col } = lines.linePos(from);
  const next = text.indexOf('\n', from);
  const shown = text.slice(from, Math.max(from, Math.min(end, next === -1 ? text.length : next))).trimEnd();
  return { line, column: col, length: Math.max(1, shown.length) };
}
