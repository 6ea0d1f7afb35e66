// `matrix`: a job that runs once for each combination of values.

import { cut } from '../../../../calls/contract/quote.ts';
import type { YamlEntry, YamlValue } from '../../../support/yaml/values.ts';
import { axesMax, axisValueCharsMax, combinationsMax } from '../bounds.ts';
import { wrong, wrongType, type Field, type Key } from '../field.ts';
import type { Axis } from '../tree.ts';
import { variableProblem } from './names.ts';
import { anyScalar, scalarText } from './text.ts';

export const matrixKey: Key<readonly Axis[]> = {
  summary: 'The job runs once for each combination of these values, which are in its environment, and replace ${name} in its keys.',
  schema: { type: 'object', minProperties: 1, maxProperties: axesMax, additionalProperties: { type: 'array', items: anyScalar, minItems: 1, maxItems: combinationsMax } },
  read(field) {
    const { name, value } = field;
    if (value.is !== 'mapping') return wrongType(field, `'${name}' must be an object`, { suggestions: ['write it as a mapping of names to lists, such as: { node: [20, 22] }'] });
    if (value.entries.length === 0) return wrong(field, `'${name}' cannot be empty`);
    if (value.entries.length > axesMax) return wrong(field, `'${name}' has ${value.entries.length} names; ${axesMax} is the most there may be`);
    const axes = value.entries.flatMap((entry) => readAxis(field, entry));
    const combinations = axes.reduce((product, { values }) => product * values.length, 1);
    return combinations > combinationsMax ? wrong(field, `'${name}' has ${combinations} combinations; ${combinationsMax} is the most there may be`) : axes;
  },
};

function readAxis(field: Field, { key, at, value }: YamlEntry): readonly Axis[] {
  const problem = variableProblem(key);
  const name = `${field.name}.${cut(key)}`;
  const spot = { at: value.end > value.start ? value : at };
  if (problem !== undefined) wrong(field, `${field.name}: ${problem}`, { at });
  else if (value.is !== 'list') wrongType(field, `'${name}' must be a list of values`, { ...spot, suggestions: scalarText(value) === undefined ? [] : [`write [${cut(scalarText(value)!)}]`] });
  else if (value.items.length === 0) wrong(field, `'${name}' cannot be empty`, spot);
  else if (value.items.length > combinationsMax) wrong(field, `'${name}' has ${value.items.length} values; ${combinationsMax} is the most there may be`, spot);
  else return [{ name: key, values: readValues(field, name, value.items) }];
  return [];
}

function readValues(field: Field, name: string, items: readonly YamlValue[]): readonly string[] {
  const seen = new Set<string>();
  return items.flatMap((item, index) => {
    const text = scalarText(item);
    const at = item.end > item.start ? { at: item } : {};
    if (text === undefined) wrongType(field, `all values of ${name} must be strings, numbers or booleans, found ${item.is} at index ${index}`, at);
    else if (text.trim() === '') wrong(field, `value of ${name} at index ${index} cannot be empty`, at);
    else if (text.length > axisValueCharsMax || /[\0-\x1f\x7f]/.test(text)) wrong(field, `value of ${name} at index ${index} must be one line of at most ${axisValueCharsMax} characters`, at);
    else if (seen.has(text)) wrong(field, `value '${cut(text)}' of ${name} is given twice`, at);
    else return [seen.add(text) && text];
    return [];
  });
}
