// The size of a terminal, in cells.

export interface TerminalSize {
  readonly cols: number;
  readonly rows: number;
}

/**
 * Maximum number of columns or rows, which the kernel stores in 16 bits (ioctl_tty(2), TIOCSWINSZ). The minimum is 1,
 * because 0 would mean "unknown".
 */
const cellsMax = 65_535;

/** True if a terminal can have this size. */
export function isTerminalSize(value: unknown): value is TerminalSize {
  const { cols, rows } = (value ?? {}) as { cols?: unknown; rows?: unknown };
  return isCellCount(cols) && isCellCount(rows);
}

function isCellCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= cellsMax;
}

/** The message of the notice `invalid-size`. */
export const invalidSizeText = `the terminal keeps its size: cols and rows must be whole numbers from 1 to ${cellsMax}`;
