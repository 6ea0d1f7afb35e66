// ANSI colours for terminals.

export type Paint = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

const codes: Readonly<Record<Paint, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

export type Painter = (paint: Paint, text: string) => string;

/** True for a terminal, unless NO_COLOR is set and not empty (no-color.org) or the terminal is dumb. */
export function hasColour(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

export function painter(colour: boolean): Painter {
  return (paint, text) => {
    const [on, off] = codes[paint];
    return colour ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  };
}
