// One key of the file with its value, as a rule gets to see it.

import type { JsonSchema } from '../../../calls/contract/call.ts';
import { textOffsets } from '../../support/yaml/text-offsets.ts';
import type { Extent, TextValue, YamlValue } from '../../support/yaml/values.ts';
import type { ComplaintCode } from './complaint.ts';
import type { ExpressionCheck } from './expressions.ts';
import { placeOf, type PlacedText, type Tell } from './remark.ts';
import type { Place } from './place.ts';

/** What all rules of one check share. */
export interface Ground extends PlacedText {
  readonly tell: Tell;
  readonly checkExpression: ExpressionCheck;
}

export interface Field {
  /** As its author spelled it, with the keys above it in its job: `retry.attempts`. */
  readonly name: string;
  /** Where the key stands. */
  readonly at: Extent;
  readonly value: YamlValue;
  readonly job?: string | undefined;
  readonly ground: Ground;
}

/** How one key is read. `T` is what it comes to. */
export interface Key<T> {
  /** For people who write the file: one sentence. */
  readonly summary: string;
  /** What editors check. It takes all that `read` takes. */
  readonly schema: JsonSchema;
  /** Undefined when there is something wrong with it, which is told then. */
  read(field: Field): T | undefined;
}

export interface Wrong {
  /** INVALID_FIELD_VALUE when absent. */
  readonly code?: ComplaintCode;
  /** The value when absent, or the key where nothing is written for a value. */
  readonly at?: Extent;
  readonly severity?: 'error' | 'warning';
  readonly suggestions?: readonly string[] | (() => readonly string[]);
}

/** Tells what is wrong with a field. */
export function wrong(field: Field, message: string, { code = 'INVALID_FIELD_VALUE', at = spotOf(field), ...rest }: Wrong = {}): undefined {
  field.ground.tell({ message, code, at, job: field.job, field: field.name, ...rest });
}

export function wrongType(field: Field, message: string, rest: Omit<Wrong, 'code'> = {}): undefined {
  return wrong(field, message, { ...rest, code: 'INVALID_FIELD_TYPE' });
}

function spotOf({ at, value }: Field): Extent {
  return value.end > value.start ? value : at;
}

export function place(field: Field, at: Extent = spotOf(field)): Place {
  return placeOf(at, field.ground);
}

/** Where a part of a text stands in the file. */
export function within(field: Field, value: TextValue, [from, length]: readonly [number, number]): Extent {
  const offsets = textOffsets(field.ground.text, value);
  const start = offsets(from);
  return { start, end: Math.max(start + 1, offsets(from + Math.max(1, length) - 1) + 1) };
}
