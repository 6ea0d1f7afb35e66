// Maps characters of a string value back to offsets in the file, through quotes, escapes, folded lines and indentation.

import type { TextValue } from './value-tree.ts';

const cache = new WeakMap<TextValue, (index: number) => number>();

/**
 * Returns a function from the index of a character in the value to its offset in `source`. An index past the end maps
 * to the end.
 */
export function textOffsets(source: string, value: TextValue): (index: number) => number {
  const offsets = cache.get(value) ?? createOffsetMap(source, value);
  cache.set(value, offsets);
  return offsets;
}

function createOffsetMap(source: string, { start, end, text, style }: TextValue): (index: number) => number {
  const first = start + (style === 'single' || style === 'double' ? 1 : 0);
  if (style !== 'block' && source.startsWith(text, first))
    return (index) => first + Math.min(Math.max(index, 0), text.length);
  const offsets = computeOffsets(source, {
    start: style === 'block' ? source.indexOf('\n', start) + 1 : first,
    end,
    text,
    style,
  });
  return (index) => offsets[Math.min(Math.max(index, 0), text.length)] ?? start;
}

function computeOffsets(
  source: string,
  { start, end, text, style }: Pick<TextValue, 'start' | 'end' | 'text' | 'style'>,
): Uint32Array {
  const offsets = new Uint32Array(text.length + 1);
  let at = start;
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index]!;
    if (!isSpace(char)) at = skipFolded(source, at, { end, style });
    offsets[index] = Math.min(at, end);
    const width = sourceWidth(source, at, style);
    // One escape may produce two UTF-16 units.
    if (width > 2 && /[\uD800-\uDBFF]/.test(char)) offsets[++index] = Math.min(at, end);
    // A line end may stand for a space, and the indentation of the next line may follow it. `skipFolded` skips both
    // before the next word.
    at += width > 1 ? width : source[at] === char ? 1 : 0;
  }
  offsets[text.length] = Math.min(at, end);
  return offsets;
}

/** Skips characters that are not part of the value: folded white space and escaped line ends. */
function skipFolded(
  source: string,
  from: number,
  { end, style }: { readonly end: number; readonly style: TextValue['style'] },
): number {
  let at = from;
  while (at < end && (isSpace(source[at]!) || (style === 'double' && /^\\\r?\n/.test(source.slice(at, at + 3)))))
    at += 1;
  return at;
}

const escapes: Readonly<Record<string, number>> = { x: 4, u: 6, U: 10 };

/** Returns the number of source characters that produce one character. */
function sourceWidth(source: string, at: number, style: TextValue['style']): number {
  if (style === 'double' && source[at] === '\\') return escapes[source[at + 1]!] ?? 2;
  return style === 'single' && source.startsWith("''", at) ? 2 : 1;
}

function isSpace(char: string): boolean {
  return char === ' ' || char === '\n' || char === '\t' || char === '\r';
}
