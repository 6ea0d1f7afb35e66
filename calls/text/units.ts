// Parses and formats durations, ages and sizes: `500ms 10s 5m 2h 30d` and `64k 256m 2g`. Plain numbers are milliseconds
// and bytes.

import { quote } from './quote.ts';

/** Maximum for durations: timers use 31 bits, and a longer delay would fire at once. */
export const durationMsMax = 2 ** 31 - 1;

const durations = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const sizes = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 } as const;

/** Error for a text that is not a duration, age or size. The message shows the value and valid examples. */
export class UnitError extends Error {
  override readonly name = 'UnitError';
}

/**
 * Returns whole milliseconds. Accepts `500ms`, `1.5s`, `10s`, `5m`, `2h`, `1d` or a number of milliseconds. Throws
 * UnitError.
 */
export function parseDuration(value: unknown): number {
  const ms = Math.round(parseAmount(value, durations));
  if (!(ms >= 0)) throw new UnitError(`${quote(value)} is not a duration; write one such as 500ms, 10s, 5m or 2h`);
  if (ms > durationMsMax) throw new UnitError(`${quote(value)} is longer than the longest duration, 596h`);
  return ms;
}

/** Returns whole milliseconds like `parseDuration`, but accepts longer times, because no timer waits for an age. */
export function parseAge(value: unknown): number {
  const ms = Math.round(parseAmount(value, durations));
  if (!(ms >= 0)) throw new UnitError(`${quote(value)} is not an age; write one such as 12h or 30d`);
  if (!Number.isSafeInteger(ms)) throw new UnitError(`${quote(value)} is too large`);
  return ms;
}

/**
 * Returns whole bytes. Accepts `64k`, `1.5m`, `256m`, `2g` (powers of 1024, either case) or a number of bytes. Throws
 * UnitError.
 */
export function parseSize(value: unknown): number {
  const bytes = Math.round(parseAmount(value, sizes));
  if (!(bytes >= 0)) throw new UnitError(`${quote(value)} is not a size; write one such as 64k, 256m or 2g`);
  if (!Number.isSafeInteger(bytes)) throw new UnitError(`${quote(value)} is too large`);
  return bytes;
}

/** Returns the shortest exact form: 90000 is `90s`, 600000 is `10m`. `parseDuration` and `parseAge` read it back. */
export function formatDuration(ms: number): string {
  const [unit, factor] = largestUnit(ms, durations) ?? ['ms', 1];
  return `${ms / factor}${unit}`;
}

/** Returns the shortest exact form: 1048576 is `1m`; a number that is not a multiple of 1024 stays plain. */
export function formatSize(bytes: number): string {
  const [unit, factor] = largestUnit(bytes, sizes) ?? ['', 1];
  return `${bytes / factor}${unit}`;
}

type Units = Readonly<Record<string, number>>;

/** Returns the amount in the smallest unit; NaN for anything but a number with one of the units. */
function parseAmount(value: unknown, units: Units): number {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return Number.NaN;
  const [, digits = '', unit = ''] = /^(\d{1,15}(?:\.\d{1,3})?)([a-z]{1,2})$/i.exec(value.trim()) ?? [];
  const known = units === sizes ? unit.toLowerCase() : unit;
  return Number(digits) * (Object.hasOwn(units, known) ? units[known]! : Number.NaN);
}

function largestUnit(amount: number, units: Units): readonly [string, number] | undefined {
  return Object.entries(units)
    .reverse()
    .find(([, factor]) => amount >= factor && amount % factor === 0);
}
