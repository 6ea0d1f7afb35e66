// What a measurement comes to, and small arithmetic.

export interface Figure {
  readonly what: string;
  readonly reached: string;
  /** Absent: it is told for information. */
  readonly required?: string;
  /** What it was compared with, in the same run. */
  readonly peer: string;
  /** Measurements behind it. */
  readonly n: number;
  readonly ok: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value that this share (0 to 1) of all are not above. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

export function rounded(value: number, digits = 0): string {
  return value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits, useGrouping: false });
}
