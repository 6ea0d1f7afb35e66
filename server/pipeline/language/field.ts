// Types for the keys of a pipeline file, and functions that report errors in them.

import type { JsonSchema } from '../../../calls/contract/call.ts';
import type { SourceLocation } from '../../../calls/text/diagnostic.ts';
import { type IndexedText, toLocation } from '../../yaml/location.ts';
import { textOffsets } from '../../yaml/text-offsets.ts';
import type { TextRange, TextValue, YamlValue } from '../../yaml/value-tree.ts';
import type { DiagnosticCode } from './diagnostic.ts';
import { suggestForm } from './foreign/foreign-forms.ts';
import type { RegexpCheck } from './regexp-check.ts';
import type { Report } from './report.ts';

/** What all keys and rules of one check share. */
export interface CheckContext extends IndexedText {
  readonly report: Report;
  readonly checkRegexp: RegexpCheck;
}

export interface Field {
  /**
   * The key as its author spelled it, preceded by the keys that contain it inside the job, such as `retry.attempts`.
   */
  readonly name: string;
  /** Range of the key, without the value. */
  readonly at: TextRange;
  readonly value: YamlValue;
  readonly job?: string | undefined;
  readonly context: CheckContext;
}

/** Reads one key. `T` is the type of the result. */
export interface Key<T> {
  /** One sentence for authors of pipelines. */
  readonly summary: string;
  /** Schema for editors. Accepts everything that `read` accepts. */
  readonly schema: JsonSchema;
  /** Returns the value. For an invalid value, reports an error and returns undefined. */
  read(field: Field): T | undefined;
}

export interface ReportOptions {
  /** Default: INVALID_FIELD_VALUE. */
  readonly code?: DiagnosticCode;
  /** Default: the range of the value, or of the key if the value is empty. */
  readonly at?: TextRange;
  readonly severity?: 'error' | 'warning';
  readonly suggestions?: readonly string[] | (() => readonly string[]);
}

/** Reports an error in a field. */
export function reportInvalid(
  field: Field,
  message: string,
  { code = 'INVALID_FIELD_VALUE', at = valueOrKeyRange(field), ...rest }: ReportOptions = {},
): undefined {
  field.context.report({ message, code, at, job: field.job, field: field.name, ...rest });
}

/**
 * Reports a value of the wrong type. If only an item of the value is wrong, `at` is the item or its range. If the value
 * has the form of another system, the suggestion is the form of this language.
 */
export function reportType(
  field: Field,
  message: string,
  { suggestions, ...rest }: Omit<ReportOptions, 'code' | 'at'> & { readonly at?: TextRange | YamlValue } = {},
): undefined {
  const { at } = rest;
  const form = suggestForm(
    field.name.slice(field.name.lastIndexOf('.') + 1),
    at !== undefined && 'is' in at ? at : field.value,
  );
  const shown = form.length > 0 ? form : suggestions;
  return reportInvalid(field, message, {
    ...rest,
    code: 'INVALID_FIELD_TYPE',
    ...(shown !== undefined && { suggestions: shown }),
  });
}

function valueOrKeyRange({ at, value }: Field): TextRange {
  return value.end > value.start ? value : at;
}

export function fieldLocation(field: Field, at: TextRange = valueOrKeyRange(field)): SourceLocation {
  return toLocation(at, field.context);
}

/** Returns the range in the file of a part of a string. */
export function rangeWithin(field: Field, value: TextValue, [from, length]: readonly [number, number]): TextRange {
  const offsets = textOffsets(field.context.text, value);
  const start = offsets(from);
  return { start, end: Math.max(start + 1, offsets(from + Math.max(1, length) - 1) + 1) };
}
