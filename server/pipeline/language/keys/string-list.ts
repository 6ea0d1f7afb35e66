// Defines pipeline keys whose value is a string or a list of strings: their JSON Schema, and how the value is read.

import type { TextValue, YamlValue } from '../../../yaml/value-tree.ts';
import type { DiagnosticCode } from '../diagnostic.ts';
import { type Field, reportInvalid, reportType } from '../field.ts';
import { itemsMax } from '../limits.ts';
import { suggestQuotes } from '../suggestions.ts';
import { containsNul } from './string.ts';

export interface StringItem {
  readonly text: string;
  readonly value: TextValue;
  /** Index in the list. Absent for a single string. */
  readonly index?: number;
}

/** The parts of messages that differ between keys. */
export interface StringListMessages {
  /** Subject of the message `all … must be strings`. */
  readonly all: string;
  /** Returns the message for an empty item. The index is absent for a single string. */
  readonly empty: (index?: number) => string;
  /** Default: INVALID_FIELD_VALUE. */
  readonly emptyCode?: DiagnosticCode;
  /** Message for an empty list. Absent: an empty list is allowed. */
  readonly emptyList?: string;
  /** Default: `itemsMax`. */
  readonly most?: number;
}

/**
 * Returns the items that are strings and not empty, and reports the others. Returns undefined if the value is neither a
 * string nor a list.
 */
export function readStrings(field: Field, words: StringListMessages): readonly StringItem[] | undefined {
  const { name, value } = field;
  if (value.is === 'string') return readItem(field, value, words);
  if (value.is !== 'list')
    return reportType(field, `'${name}' must be a string or array of strings`, {
      suggestions: suggestQuotes(value, field.context.text),
    });
  if (value.items.length === 0 && words.emptyList !== undefined) return reportInvalid(field, words.emptyList);
  const most = words.most ?? itemsMax;
  if (value.items.length > most)
    return reportInvalid(field, `'${name}' has ${value.items.length} items; at most ${most} are allowed`);
  return value.items.flatMap((item, index) => readItem(field, item, words, index));
}

function readItem(
  field: Field,
  value: YamlValue,
  { all, empty, emptyCode = 'INVALID_FIELD_VALUE' }: StringListMessages,
  index?: number,
): readonly StringItem[] {
  const at = value.end > value.start ? { at: value } : dashRange(field, value);
  if (value.is !== 'string')
    reportType(field, `all ${all} must be strings, found ${value.is} at index ${index}`, {
      ...at,
      suggestions: suggestQuotes(value, field.context.text),
    });
  else if (value.text.trim() === '') reportInvalid(field, empty(index), { ...at, code: emptyCode });
  else if (containsNul(value.text)) reportInvalid(field, `'${field.name}' must not contain a NUL character`, at);
  else return [{ text: value.text, value, ...(index !== undefined && { index }) }];
  return [];
}

/** Returns the range of the dash before an item without a value. */
function dashRange(field: Field, value: YamlValue): { readonly at?: YamlValue } {
  const dash = field.context.text.lastIndexOf('-', value.start);
  return dash > field.at.end ? { at: { ...value, start: dash, end: dash + 1 } } : {};
}
