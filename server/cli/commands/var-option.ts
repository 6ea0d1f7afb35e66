// The options --var NAME=VALUE and --job NAME, which can be repeated.

import { InvalidArgumentError, Option } from 'commander';

export type Variables = Readonly<Record<string, string>>;

/** Later values replace earlier ones. A value may be empty or contain "=". */
export function variableOption(): Option {
  return new Option('--var <name=value>', 'variable for conditions and jobs; can be repeated')
    .default({}, 'none')
    .argParser(addVariable);
}

export function jobOption(): Option {
  return new Option('--job <name>', 'only this job and the jobs it depends on; can be repeated')
    .default([], 'all jobs')
    .argParser((name: string, before: unknown) => [...(before as readonly string[]), name]);
}

function addVariable(text: string, before: unknown): Variables {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=([^]*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError('It must be written NAME=VALUE; the name consists of letters, digits and "_".');
  return { ...(before as Variables), [name]: value };
}
