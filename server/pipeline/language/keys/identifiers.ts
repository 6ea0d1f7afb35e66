// Checks names of variables, secrets, volumes and networks, and defines the keys whose value is such a name.

import { quote, truncate } from '../../../../calls/text/quote.ts';
import { type Field, type Key, reportInvalid } from '../field.ts';
import { nameCharsMax } from '../limits.ts';
import { oneOrMore } from './json-schema.ts';
import { stringKey } from './string.ts';
import { readStrings } from './string-list.ts';

const variableNamePattern = '[A-Za-z_][A-Za-z0-9_]*';
const resourceNamePattern = '[A-Za-z0-9_][A-Za-z0-9_.-]*';
/** Prefix of the variables that the gateway sets for jobs. */
const reservedNames = /^DISTILLERY_/i;

/** Returns why the text is not a valid variable name, or undefined. */
export function variableNameError(name: string): string | undefined {
  if (name.length > nameCharsMax || !new RegExp(`^${variableNamePattern}$`).test(name))
    return `${quote(name)} is not a valid variable name: use letters, digits and "_", and do not start with a digit`;
  return reservedNames.test(name)
    ? `${quote(name)} is reserved: names that begin with DISTILLERY_ belong to the gateway`
    : undefined;
}

/** Returns why the text is not a valid name of a secret, volume or network, or undefined. */
export function resourceNameError(name: string): string | undefined {
  return name.length <= nameCharsMax && new RegExp(`^${resourceNamePattern}$`).test(name)
    ? undefined
    : `${quote(name)} is not a valid name: use letters, digits, "_", "." and "-", and start with a ` +
        'letter, a digit or "_"';
}

export const outputsKey: Key<readonly string[]> = {
  summary: 'Variables that the job passes to dependent jobs. The job writes NAME=value to the file $DISTILLERY_OUTPUT.',
  schema: oneOrMore({ type: 'string', pattern: `^${variableNamePattern}$` }),
  read(field) {
    const items = readStrings(field, {
      all: `${field.name} items`,
      empty: (index) => emptyItemMessage(field, index),
      most: 100,
    });
    const names = items?.filter(({ text, value, index }, at) => {
      const problem =
        variableNameError(text) ??
        (items.findIndex((other) => other.text === text) < at ? `${quote(text)} is listed twice` : undefined);
      if (problem !== undefined)
        reportInvalid(field, `${field.name}${index === undefined ? '' : ` item at index ${index}`}: ${problem}`, {
          at: value,
        });
      return problem === undefined;
    });
    return names?.map(({ text }) => text);
  },
};

export function emptyItemMessage({ name }: Field, index: number | undefined): string {
  return index === undefined ? `'${name}' cannot be empty` : `${name} item at index ${index} cannot be empty`;
}

export const networkKey: Key<string> = stringKey(
  'none, bridge, host, or the name of a network that the jobs of this file share.',
  {
    pattern: `^${resourceNamePattern}$`,
    check: (text) =>
      resourceNameError(text) === undefined
        ? undefined
        : { message: `must be none, bridge, host or the name of a network, got '${truncate(text)}'` },
  },
);

export const registryKey: Key<string> = stringKey('Name of the secret with the login for the registry.', {
  pattern: `^${resourceNamePattern}$`,
  check: (text) =>
    resourceNameError(text) === undefined
      ? undefined
      : {
          message: `must be the name of a secret, got '${truncate(text)}'`,
          suggestions: ['declare user and password as a secret, and write its name here'],
        },
});
