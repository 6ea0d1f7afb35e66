// The key `matrix`: runs a job once per combination of values.

import { truncate } from '../../../../calls/text/quote.ts';
import type { YamlEntry, YamlValue } from '../../../yaml/value-tree.ts';
import { type Field, type Key, reportInvalid, reportType } from '../field.ts';
import { axesMax, axisValueCharsMax, combinationsMax } from '../limits.ts';
import { isExcluded, listCombinations } from '../matrix.ts';
import type { Axis } from '../model.ts';
import { suggestName } from '../suggestions.ts';
import { variableNameError } from './identifiers.ts';
import { scalarSchema, scalarText } from './string.ts';

export interface Matrix {
  readonly axes: readonly Axis[];
  readonly exclude: readonly Combination[];
}

type Combination = Readonly<Record<string, string>>;

/** The key, beside the axes, that lists combinations to leave out. */
const excludeKey = 'exclude';

export const matrixKey: Key<Matrix> = {
  summary:
    'The job runs once per combination of these values. They are set in its environment and ' +
    'replace ${name} in its keys. The key exclude lists combinations to leave out.',
  schema: {
    type: 'object',
    minProperties: 1,
    maxProperties: axesMax + 1,
    properties: {
      [excludeKey]: {
        type: 'array',
        items: { type: 'object', minProperties: 1, additionalProperties: scalarSchema },
        maxItems: combinationsMax,
      },
    },
    additionalProperties: { type: 'array', items: scalarSchema, minItems: 1, maxItems: combinationsMax },
  },
  read(field) {
    const { name, value } = field;
    if (value.is !== 'mapping')
      return reportType(field, `'${name}' must be an object`, {
        suggestions: ['write it as a mapping of names to lists, such as: { node: [20, 22] }'],
      });
    const entries = value.entries.filter(({ key }) => key !== excludeKey);
    if (entries.length === 0) return reportInvalid(field, `'${name}' cannot be empty`);
    if (entries.length > axesMax)
      return reportInvalid(field, `'${name}' has ${entries.length} names; at most ${axesMax} are allowed`);
    const axes = entries.flatMap((entry) => readAxis(field, entry));
    const combinations = axes.reduce((product, { values }) => product * values.length, 1);
    if (combinations > combinationsMax)
      return reportInvalid(field, `'${name}' has ${combinations} combinations; at most ${combinationsMax} are allowed`);
    const excluded = value.entries.find(({ key }) => key === excludeKey);
    if (excluded === undefined || excluded.value.is === 'null') return { axes, exclude: [] };
    const exclude = readExclude(
      { ...field, name: `${name}.${excludeKey}`, at: excluded.at, value: excluded.value },
      axes,
    );
    return axes.length < entries.length ? undefined : { axes, exclude };
  },
};

/** Reads the combinations to leave out. Reports names and values that the matrix does not have. */
function readExclude(field: Field, axes: readonly Axis[]): readonly Combination[] {
  const { name, value } = field;
  if (value.is !== 'list' || value.items.length > combinationsMax) {
    reportType(field, `'${name}' must be a list of at most ${combinationsMax} combinations`, {
      suggestions: ['write it as a list of mappings, such as: [{ node: 20, os: alpine }]'],
    });
    return [];
  }
  const exclude = value.items.flatMap((item, index) => readCombination(field, item, { index, axes }));
  const left = listCombinations(axes).filter((combination) => !isExcluded(combination, exclude));
  if (left.length === 0) reportInvalid(field, `'${name}' leaves no combination`);
  return exclude;
}

function readCombination(
  field: Field,
  item: YamlValue,
  { index, axes }: { readonly index: number; readonly axes: readonly Axis[] },
): readonly Combination[] {
  const at = item.end > item.start ? { at: item } : {};
  if (item.is !== 'mapping' || item.entries.length === 0) {
    reportType(field, `all ${field.name} items must be mappings, found ${item.is} at index ${index}`, at);
    return [];
  }
  const values = item.entries.flatMap((entry) => readExcludedValue(field, entry, axes));
  return values.length < item.entries.length ? [] : [Object.fromEntries(values)];
}

function readExcludedValue(
  field: Field,
  { key, at, value }: YamlEntry,
  axes: readonly Axis[],
): readonly (readonly [string, string])[] {
  const axis = axes.find(({ name }) => name === key);
  const text = scalarText(value);
  if (axis === undefined)
    reportInvalid(field, `'${field.name}' names '${truncate(key)}', which is not in the matrix`, {
      at,
      suggestions: suggestName(
        key,
        axes.map(({ name }) => name),
      ),
    });
  else if (text === undefined || !axis.values.includes(text))
    reportInvalid(field, `'${field.name}' has a value of '${truncate(key)}' that is not in the matrix`, {
      at: value.end > value.start ? value : at,
      suggestions: [`its values are ${truncate(axis.values.join(', '))}`],
    });
  else return [[key, text]];
  return [];
}

function readAxis(field: Field, { key, at, value }: YamlEntry): readonly Axis[] {
  const problem = variableNameError(key);
  const name = `${field.name}.${truncate(key)}`;
  const position = { at: value.end > value.start ? value : at };
  if (problem !== undefined) reportInvalid(field, `${field.name}: ${problem}`, { at });
  else if (value.is !== 'list')
    reportType(field, `'${name}' must be a list of values`, {
      ...position,
      suggestions: scalarText(value) === undefined ? [] : [`write [${truncate(scalarText(value)!)}]`],
    });
  else if (value.items.length === 0) reportInvalid(field, `'${name}' cannot be empty`, position);
  else if (value.items.length > combinationsMax)
    reportInvalid(
      field,
      `'${name}' has ${value.items.length} values; at most ${combinationsMax} are allowed`,
      position,
    );
  else return [{ name: key, values: readValues(field, name, value.items) }];
  return [];
}

function readValues(field: Field, name: string, items: readonly YamlValue[]): readonly string[] {
  const seen = new Set<string>();
  return items.flatMap((item, index) => {
    const text = scalarText(item);
    const at = item.end > item.start ? { at: item } : {};
    if (text === undefined)
      reportType(
        field,
        `all values of ${name} must be strings, numbers or booleans, found ${item.is} at index ${index}`,
        at,
      );
    else if (text.trim() === '') reportInvalid(field, `value of ${name} at index ${index} cannot be empty`, at);
    else if (text.length > axisValueCharsMax || /[\0-\x1f\x7f]/.test(text))
      reportInvalid(
        field,
        `value of ${name} at index ${index} must be one line of at most ${axisValueCharsMax} characters`,
        at,
      );
    else if (seen.has(text)) reportInvalid(field, `value '${truncate(text)}' of ${name} is listed twice`, at);
    else return [seen.add(text) && text];
    return [];
  });
}
