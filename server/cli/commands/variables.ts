// --var NAME=VALUE, as often as wanted.

import { InvalidArgumentError, Option } from 'commander';

export type Variables = Readonly<Record<string, string>>;

/** Later ones win. The value may be empty, and hold any number of "=". */
export function variableOption(): Option {
  return new Option('--var <name=value>', 'a variable for conditions and jobs; may be given again').default({}, 'none').argParser(addVariable);
}

function addVariable(text: string, before: unknown): Variables {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=([^]*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('It must be written NAME=VALUE, the name of letters, digits and "_".');
  return { ...before as Variables, [name]: value };
}
