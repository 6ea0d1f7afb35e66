// `secrets`: what the job is told in confidence. A list of names, or a mapping of variables to names.

import { cut } from '../../../../calls/contract/quote.ts';
import type { MappingValue } from '../../../support/yaml/values.ts';
import { place, wrong, wrongType, type Field, type Key } from '../field.ts';
import type { SecretUse } from '../tree.ts';
import { itemEmpty, objectProblem, variableProblem } from './names.ts';
import { oneOrMore } from './schemas.ts';
import { readTexts } from './texts.ts';

export const secretsKey: Key<readonly SecretUse[]> = {
  summary: 'Secrets of the gateway that are in the environment: a list of names, or a mapping of variables to names.',
  schema: { anyOf: [...(oneOrMore()['anyOf'] as readonly unknown[]), { type: 'object', additionalProperties: { type: 'string' } }] },
  read: (field) => (field.value.is === 'mapping' ? readMapping(field, field.value) : readList(field)),
};

function readList(field: Field): readonly SecretUse[] | undefined {
  const seen = new Set<string>();
  return readTexts(field, { all: `${field.name} items`, empty: (index) => itemEmpty(field, index), most: 100 })?.flatMap(({ text, value }): readonly SecretUse[] => {
    const isTwice = seen.has(text);
    seen.add(text);
    const problem = variableProblem(text) ?? (isTwice ? `"${text}" is given twice` : undefined);
    if (problem === undefined) return [{ variable: text, secret: text, place: place(field, value) }];
    wrong(field, `${field.name}: ${problem}`, { at: value, suggestions: isTwice || objectProblem(text) !== undefined ? [] : [`write it as a mapping: { VARIABLE: ${cut(text)} }`] });
    return [];
  });
}

function readMapping(field: Field, { entries }: MappingValue): readonly SecretUse[] | undefined {
  if (entries.length > 100) return wrong(field, `'${field.name}' has ${entries.length} items; 100 is the most there may be`);
  return entries.flatMap(({ key, at, value }): readonly SecretUse[] => {
    const spot = { at: value.end > value.start ? value : at };
    const keyProblem = variableProblem(key);
    if (keyProblem !== undefined) wrong(field, `${field.name}: ${keyProblem}`, { at });
    if (value.is !== 'string') {
      wrongType(field, `'${field.name}.${cut(key)}' must be the name of a secret, found ${value.is}`, spot);
      return [];
    }
    const problem = objectProblem(value.text);
    if (problem !== undefined) wrong(field, `${field.name}: ${problem}`, spot);
    return problem === undefined && keyProblem === undefined ? [{ variable: key, secret: value.text, place: place(field, value) }] : [];
  });
}
