// The line of a text that is meant, as a terminal may show it, and a caret under the spot.

/** Lines longer than this are shown around the spot only. */
const lineCharsMax = 120;

export interface Spot {
  /** From 1. */
  readonly column: number;
  /** How many characters are meant; 1 when absent. */
  readonly length?: number;
  /** What stands before and after the caret, to colour it. */
  readonly paint?: readonly [string, string];
}

/** Two lines, indented. `line` is the whole line without its end. */
export function excerpt(line: string, { column, length = 1, paint: [before, after] = ['', ''] }: Spot): readonly string[] {
  const from = column > lineCharsMax ? column - Math.floor(lineCharsMax / 2) : 0;
  const shown = line.slice(from, from + lineCharsMax);
  // Tabs stay tabs, so that the caret stands under the spot however wide they are.
  const indent = line.slice(from, column - 1).replace(/[^\t]/g, ' ');
  const carets = '^'.repeat(Math.max(1, Math.min(length, from + shown.length - column + 1)));
  return [`    ${printable(shown)}`, `    ${indent}${before}${carets}${after}`];
}

/** A terminal must not obey what a file contains. */
export function printable(text: string): string {
  return text.replace(/[\0-\x08\x0a-\x1f\x7f-\x9f]/g, '\u{fffd}');
}
