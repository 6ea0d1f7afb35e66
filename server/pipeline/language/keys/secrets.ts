// The key `secrets`: a list of names, or a mapping of variables to names.

import { truncate } from '../../../../calls/text/quote.ts';
import type { MappingValue } from '../../../yaml/value-tree.ts';
import { type Field, fieldLocation, type Key, reportInvalid, reportType } from '../field.ts';
import type { SecretUse } from '../model.ts';
import { emptyItemMessage, resourceNameError, variableNameError } from './identifiers.ts';
import { oneOrMore } from './json-schema.ts';
import { readStrings } from './string-list.ts';

export const secretsKey: Key<readonly SecretUse[]> = {
  summary: 'Secrets of the gateway to set in the environment: a list of names, or a mapping of variables to names.',
  schema: {
    anyOf: [
      ...(oneOrMore()['anyOf'] as readonly unknown[]),
      { type: 'object', additionalProperties: { type: 'string' } },
    ],
  },
  read: (field) => (field.value.is === 'mapping' ? readMapping(field, field.value) : readList(field)),
};

function readList(field: Field): readonly SecretUse[] | undefined {
  const seen = new Set<string>();
  return readStrings(field, {
    all: `${field.name} items`,
    empty: (index) => emptyItemMessage(field, index),
    most: 100,
  })?.flatMap(({ text, value }): readonly SecretUse[] => {
    const isDuplicate = seen.has(text);
    seen.add(text);
    const problem = variableNameError(text) ?? (isDuplicate ? `"${text}" is listed twice` : undefined);
    if (problem === undefined) return [{ variable: text, secret: text, location: fieldLocation(field, value) }];
    reportInvalid(field, `${field.name}: ${problem}`, {
      at: value,
      suggestions:
        isDuplicate || resourceNameError(text) !== undefined
          ? []
          : [`write it as a mapping: { VARIABLE: ${truncate(text)} }`],
    });
    return [];
  });
}

function readMapping(field: Field, { entries }: MappingValue): readonly SecretUse[] | undefined {
  if (entries.length > 100)
    return reportInvalid(field, `'${field.name}' has ${entries.length} items; at most 100 are allowed`);
  return entries.flatMap(({ key, at, value }): readonly SecretUse[] => {
    const position = { at: value.end > value.start ? value : at };
    const keyProblem = variableNameError(key);
    if (keyProblem !== undefined) reportInvalid(field, `${field.name}: ${keyProblem}`, { at });
    if (value.is !== 'string') {
      reportType(field, `'${field.name}.${truncate(key)}' must be the name of a secret, found ${value.is}`, position);
      return [];
    }
    const problem = resourceNameError(value.text);
    if (problem !== undefined) reportInvalid(field, `${field.name}: ${problem}`, position);
    return problem === undefined && keyProblem === undefined
      ? [{ variable: key, secret: value.text, location: fieldLocation(field, value) }]
      : [];
  });
}
