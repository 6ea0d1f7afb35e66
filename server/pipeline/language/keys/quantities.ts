// Defines pipeline keys that are durations, sizes or numbers: their JSON Schema, and how the value is read.

import { durationMsMax, formatSize, parseDuration, parseSize, UnitError } from '../../../../calls/text/units.ts';
import { type Field, type Key, reportInvalid, reportType } from '../field.ts';
import { durationSchema, sizeSchema } from './json-schema.ts';

export interface DurationRule {
  /** Whether 0 is allowed. */
  readonly zeroAllowed?: boolean;
}

/** Creates a key that accepts a number of seconds, or a duration such as `5m`. Returns milliseconds. */
export function durationKey(summary: string, { zeroAllowed = false }: DurationRule = {}): Key<number> {
  return {
    summary,
    schema: durationSchema,
    read(field) {
      const { name, value } = field;
      const ms =
        value.is === 'number'
          ? Math.ceil(value.value * 1_000)
          : value.is === 'string'
            ? parseUnit(field, value.text, parseDuration)
            : undefined;
      if ((value.is !== 'number' && value.is !== 'string') || Number.isNaN(ms))
        return reportType(field, `'${name}' must be a number of seconds, or a duration such as 90s or 5m`);
      if (ms === undefined) return undefined;
      if (ms < 0 || (ms === 0 && !zeroAllowed))
        return reportInvalid(field, `'${name}' must be ${zeroAllowed ? 'non-negative' : 'greater than 0'}`);
      return ms > durationMsMax
        ? reportInvalid(field, `'${name}' must not exceed ${Math.floor(durationMsMax / 1_000)} seconds`)
        : ms;
    },
  };
}

/** Creates a key that accepts a number of bytes, or a size such as `256m`. Returns bytes. */
export function sizeKey(summary: string, least: number): Key<number> {
  return {
    summary,
    schema: sizeSchema,
    read(field) {
      const { name, value } = field;
      if (value.is !== 'number' && value.is !== 'string')
        return reportType(field, `'${name}' must be a size such as 64m or 2g`);
      const bytes = parseUnit(field, value.is === 'number' ? value.value : value.text, parseSize);
      return bytes !== undefined && bytes < least
        ? reportInvalid(field, `'${name}' must be at least ${formatSize(least)}`)
        : bytes;
    },
  };
}

function parseUnit<T>(field: Field, text: T, parse: (text: T) => number): number | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof UnitError)) throw error;
    return reportInvalid(field, `'${field.name}': ${error.message}`);
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
      if (value.is !== 'number' || (whole ? !Number.isInteger(value.value) : Number.isNaN(value.value)))
        return reportType(field, `'${name}' must be ${whole ? 'an integer' : 'a number'}`);
      if (value.value < least) return reportInvalid(field, `'${name}' must be at least ${least}`);
      return value.value > most ? reportInvalid(field, `'${name}' must not exceed ${most}`) : value.value;
    },
  };
}
