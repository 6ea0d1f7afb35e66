// Keys that are durations, sizes and numbers.

import { durationMsMax, formatSize, parseDuration, parseSize, UnitError } from '../../../../calls/contract/units.ts';
import { wrong, wrongType, type Field, type Key } from '../field.ts';
import { durationSchema, sizeSchema } from './schemas.ts';

export interface DurationRule {
  /** Absent: longer than nothing. */
  readonly zero?: boolean;
}

/** Milliseconds, of a number of seconds or a text such as `5m`. */
export function durationKey(summary: string, { zero = false }: DurationRule = {}): Key<number> {
  return {
    summary,
    schema: durationSchema,
    read(field) {
      const { name, value } = field;
      const ms = value.is === 'number' ? Math.ceil(value.value * 1_000) : value.is === 'string' ? unit(field, value.text, parseDuration) : undefined;
      if (value.is !== 'number' && value.is !== 'string' || Number.isNaN(ms)) return wrongType(field, `'${name}' must be a number of seconds, or a duration such as 90s or 5m`);
      if (ms === undefined) return undefined;
      if (ms < 0 || ms === 0 && !zero) return wrong(field, `'${name}' must be ${zero ? 'non-negative' : 'greater than 0'}`);
      return ms > durationMsMax ? wrong(field, `'${name}' must not exceed ${Math.floor(durationMsMax / 1_000)} seconds`) : ms;
    },
  };
}

/** Bytes, of a number of them or a text such as `256m`. */
export function sizeKey(summary: string, least: number): Key<number> {
  return {
    summary,
    schema: sizeSchema,
    read(field) {
      const { name, value } = field;
      if (value.is !== 'number' && value.is !== 'string') return wrongType(field, `'${name}' must be a size such as 64m or 2g`);
      const bytes = unit(field, value.is === 'number' ? value.value : value.text, parseSize);
      return bytes !== undefined && bytes < least ? wrong(field, `'${name}' must be at least ${formatSize(least)}`) : bytes;
    },
  };
}

function unit<T>(field: Field, text: T, parse: (text: T) => number): number | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof UnitError)) throw error;
    return wrong(field, `'${field.name}': ${error.message}`);
  }
}

export interface NumberRule {
  readonly whole?: boolean;
  readonly least: number;
  readonly most: number;
}

export function numberKey(summary: string, { whole = false, least, most }: NumberRule): Key<number> {
  return {
    summary,
    schema: { type: whole ? 'integer' : 'number', minimum: least, maximum: most },
    read(field) {
      const { name, value } = field;
      if (value.is !== 'number' || (whole ? !Number.isInteger(value.value) : Number.isNaN(value.value))) return wrongType(field, `'${name}' must be ${whole ? 'an integer' : 'a number'}`);
      if (value.value < least) return wrong(field, `'${name}' must be at least ${least}`);
      return value.value > most ? wrong(field, `'${name}' must not exceed ${most}`) : value.value;
    },
  };
}
