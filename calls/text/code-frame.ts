// Renders the source line of a diagnostic with carets under the faulty characters.

/**
 * Maximum length of a line that is shown whole. Of longer lines, only the part around the faulty characters is shown.
 */
const lineCharsMax = 120;

export interface FramePosition {
  /** Column of the first faulty character, counted from 1. */
  readonly column: number;
  /** Number of faulty characters. Default 1. */
  readonly length?: number;
  /** Text before and after the carets, for colors. */
  readonly paint?: readonly [string, string];
}

/** Returns two indented lines. `line` is the whole line without its terminator. */
export function codeFrame(
  line: string,
  { column, length = 1, paint: [before, after] = ['', ''] }: FramePosition,
): readonly string[] {
  const from = column > lineCharsMax ? column - Math.floor(lineCharsMax / 2) : 0;
  const shown = line.slice(from, from + lineCharsMax);
  // Keep tabs, so that the caret is in the right column for any tab width.
  const indent = line.slice(from, column - 1).replace(/[^\t]/g, ' ');
  const carets = '^'.repeat(Math.max(1, Math.min(length, from + shown.length - column + 1)));
  return [`    ${printable(shown)}`, `    ${indent}${before}${carets}${after}`];
}

/** Replaces control characters, so that a file cannot control the terminal. */
export function printable(text: string): string {
  return text.replace(/[\0-\x08\x0a-\x1f\x7f-\x9f]/g, '\u{fffd}');
}
