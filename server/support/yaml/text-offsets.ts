// From a character of a text value back to where it stands in the file: through quotes, escapes, folded lines and indentation.

import type { TextValue } from './values.ts';

const known = new WeakMap<TextValue, (index: number) => number>();

/** Gives the offset in `source` of the character `index` of the value; of its end for an index behind the last one. */
export function textOffsets(source: string, value: TextValue): (index: number) => number {
  const offsets = known.get(value) ?? makeOffsets(source, value);
  known.set(value, offsets);
  return offsets;
}

function makeOffsets(source: string, { start, end, text, style }: TextValue): (index: number) => number {
  const first = start + (style === 'single' || style === 'double' ? 1 : 0);
  if (style !== 'block' && source.startsWith(text, first)) return (index) => first + Math.min(Math.max(index, 0), text.length);
  const offsets = walk(source, { start: style === 'block' ? source.indexOf('\n', start) + 1 : first, end, text, style });
  return (index) => offsets[Math.min(Math.max(index, 0), text.length)] ?? start;
}

function walk(source: string, { start, end, text, style }: Pick<TextValue, 'start' | 'end' | 'text' | 'style'>): Uint32Array {
  const offsets = new Uint32Array(text.length + 1);
  let at = start;
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index]!;
    if (!isSpace(char)) at = skip(source, at, { end, style });
    offsets[index] = Math.min(at, end);
    const width = widthAt(source, at, style);
    // One escape may stand for two units.
    if (width > 2 && /[\uD800-\uDBFF]/.test(char)) offsets[++index] = Math.min(at, end);
    // A line end may stand for a space, and be followed by the indentation of the next line: it is passed when the next word begins.
    at += width > 1 ? width : source[at] === char ? 1 : 0;
  }
  offsets[text.length] = Math.min(at, end);
  return offsets;
}

/** Passes over what the text has nothing of: white space that is folded, and escaped line ends. */
function skip(source: string, from: number, { end, style }: { readonly end: number; readonly style: TextValue['style'] }): number {
  let at = from;
  while (at < end && (isSpace(source[at]!) || (style === 'double' && /^\\\r?\n/.test(source.slice(at, at + 3))))) at += 1;
  return at;
}

const escapes: Readonly<Record<string, number>> = { x: 4, u: 6, U: 10 };

/** How many characters stand for one. */
function widthAt(source: string, at: number, style: TextValue['style']): number {
  if (style === 'double' && source[at] === '\\') return escapes[source[at + 1]!] ?? 2;
  return style === 'single' && source.startsWith("''", at) ? 2 : 1;
}

function isSpace(char: string): boolean {
  return char === ' ' || char === '\n' || char === '\t' || char === '\r';
}
