// The type of a figure of the benchmark, and functions that compute figures.

export interface Figure {
  readonly name: string;
  readonly value: string;
  /** The required value. Absent if the figure is for information only. */
  readonly required?: string;
  /** What the benchmark compares the figure with, and the value measured for it. `none` without a comparison. */
  readonly peer: string;
  /** Number of measurements. */
  readonly samples: number;
  readonly ok: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Returns the smallest value such that at least this share (0 to 1) of all values do not exceed it. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

export function rounded(value: number, digits = 0): string {
  return value.toLocaleString('en', {
    maximumFractionDigits: digits,
    minimumFractionDigits: digits,
    useGrouping: false,
  });
}
