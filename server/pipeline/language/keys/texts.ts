// A key whose value is one text, or a list of texts.

import type { TextValue, YamlValue } from '../../../support/yaml/values.ts';
import { itemsMax } from '../bounds.ts';
import type { ComplaintCode } from '../complaint.ts';
import { wrong, wrongType, type Field } from '../field.ts';
import { inQuotes } from '../ways.ts';
import { holdsNul } from './text.ts';

export interface Item {
  readonly text: string;
  readonly value: TextValue;
  /** In the list; absent when it is the one text. */
  readonly index?: number;
}

/** The sentences that differ. */
export interface TextsWords {
  /** `all … must be strings`. */
  readonly all: string;
  /** What an item without anything in it is told, by its index; absent for the one text. */
  readonly empty: (index?: number) => string;
  /** INVALID_FIELD_VALUE when absent. */
  readonly emptyCode?: ComplaintCode;
  /** What an empty list is told; absent: it may be. */
  readonly emptyList?: string;
  /** Absent: `itemsMax`. */
  readonly most?: number;
}

/** The items that are texts, and not empty; of the others it is told what is wrong. Undefined when it is neither a text nor a list. */
export function readTexts(field: Field, words: TextsWords): readonly Item[] | undefined {
  const { name, value } = field;
  if (value.is === 'string') return textItem(field, value, words);
  if (value.is !== 'list') return wrongType(field, `'${name}' must be a string or array of strings`, { suggestions: inQuotes(value, field.ground.text) });
  if (value.items.length === 0 && words.emptyList !== undefined) return wrong(field, words.emptyList);
  const most = words.most ?? itemsMax;
  if (value.items.length > most) return wrong(field, `'${name}' has ${value.items.length} items; ${most} is the most there may be`);
  return value.items.flatMap((item, index) => textItem(field, item, words, index));
}

function textItem(field: Field, value: YamlValue, { all, empty, emptyCode = 'INVALID_FIELD_VALUE' }: TextsWords, index?: number): readonly Item[] {
  const at = value.end > value.start ? { at: value } : itemSpot(field, value);
  if (value.is !== 'string') wrongType(field, `all ${all} must be strings, found ${value.is} at index ${index}`, { ...at, suggestions: inQuotes(value, field.ground.text) });
  else if (value.text.trim() === '') wrong(field, empty(index), { ...at, code: emptyCode });
  else if (holdsNul(value.text)) wrong(field, `'${field.name}' must not contain a NUL character`, at);
  else return [{ text: value.text, value, ...(index !== undefined && { index }) }];
  return [];
}

/** Nothing is written behind the dash: the dash is what there is to see. */
function itemSpot(field: Field, value: YamlValue): { readonly at?: YamlValue } {
  const dash = field.ground.text.lastIndexOf('-', value.start);
  return dash > field.at.end ? { at: { ...value, start: dash, end: dash + 1 } } : {};
}
