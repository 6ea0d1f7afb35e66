// Names that other keys and programs refer to: of variables, secrets, volumes and networks.

import { cut, quote } from '../../../../calls/contract/quote.ts';
import { nameCharsMax } from '../bounds.ts';
import { wrong, type Field, type Key } from '../field.ts';
import { oneOrMore } from './schemas.ts';
import { textKey } from './text.ts';
import { readTexts } from './texts.ts';

const variable = '[A-Za-z_][A-Za-z0-9_]*';
const object = '[A-Za-z0-9_][A-Za-z0-9_.-]*';
/** Told to jobs by the gateway itself. */
const reserved = /^DISTILLERY_/i;

/** Why the text is no name for a variable of a job; undefined when it is. */
export function variableProblem(name: string): string | undefined {
  if (name.length > nameCharsMax || !new RegExp(`^${variable}$`).test(name)) return `${quote(name)} is not a name for a variable: it must be letters, digits and "_", and not begin with a digit`;
  return reserved.test(name) ? `${quote(name)} is reserved: names that begin with DISTILLERY_ are the gateway's own` : undefined;
}

/** Why the text is no name for a secret, a volume or a network; undefined when it is. */
export function objectProblem(name: string): string | undefined {
  return name.length <= nameCharsMax && new RegExp(`^${object}$`).test(name) ? undefined : `${quote(name)} is not a name: it must be letters, digits, "_", "." and "-", and begin with a letter, a digit or "_"`;
}

export const outputsKey: Key<readonly string[]> = {
  summary: 'Variables that the job hands to those that wait for it. It writes NAME=value into the file $DISTILLERY_OUTPUT.',
  schema: oneOrMore({ type: 'string', pattern: `^${variable}$` }),
  read(field) {
    const items = readTexts(field, { all: `${field.name} items`, empty: (index) => itemEmpty(field, index), most: 100 });
    const names = items?.filter(({ text, value, index }, at) => {
      const problem = variableProblem(text) ?? (items.findIndex((other) => other.text === text) < at ? `${quote(text)} is given twice` : undefined);
      if (problem !== undefined) wrong(field, `${field.name}${index === undefined ? '' : ` item at index ${index}`}: ${problem}`, { at: value });
      return problem === undefined;
    });
    return names?.map(({ text }) => text);
  },
};

export function itemEmpty({ name }: Field, index: number | undefined): string {
  return index === undefined ? `'${name}' cannot be empty` : `${name} item at index ${index} cannot be empty`;
}

export const networkKey: Key<string> = textKey('none, bridge, host, or the name of a network that the jobs of this file share.', {
  pattern: `^${object}$`,
  check: (text) => (objectProblem(text) === undefined ? undefined : { message: `must be none, bridge, host or the name of a network, got '${cut(text)}'` }),
});

export const registryKey: Key<string> = textKey('The name of the secret to log in to the registry with.', {
  pattern: `^${object}$`,
  check: (text) => (objectProblem(text) === undefined ? undefined : { message: `must be the name of a secret, got '${cut(text)}'`, suggestions: ['declare user and password as a secret, and give its name here'] }),
});
