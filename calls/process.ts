// The kind `process`: a program and its arguments, on the gateway's own machine.

import type { ProcessSpec } from './contract/engines.ts';
import type { Kind, Place } from './contract/kind.ts';
import { env, numericId, path, words } from './contract/parts.ts';
import { present } from './contract/present.ts';
import { substituteAll, substituteValues } from './contract/substitute.ts';

export const processKind: Kind = {
  name: 'process',
  keys: {
    process: words,
    env,
    cwd: path,
    umask: { type: 'string', pattern: '^[0-7]{3,4}$', says: 'must be octal digits in quotes, such as "027"' },
    uid: numericId,
    gid: numericId,
  },
  templates: [['process', '*'], ['env', '*']],
  fixed: programFixed('process'),
  bind(declaration, place) {
    const specFor = programSpec(declaration['process'] as Argv, declaration, place);
    return async ({ engines, params }) => engines.process(specFor(params));
  },
};

export type Argv = readonly [string, ...string[]];

/** What is fixed wherever a program of this machine is named under `key`. */
export function programFixed(key: string): Kind['fixed'] {
  return [
    { path: [key, 0], why: 'a parameter could name any program; write the program itself, and parameters as its arguments' },
    { path: ['cwd'], why: 'a parameter could lead to any folder of this machine' },
  ];
}

interface Surroundings {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly umask?: string;
  readonly uid?: number;
  readonly gid?: number;
}

/** Prepares what does not depend on params; the function returned makes the spec of one run. */
export function programSpec(argv: Argv, surroundings: Surroundings, place: Place): (params: Readonly<Record<string, string>>) => ProcessSpec {
  const { env: variables, cwd = '.', umask, uid, gid } = surroundings;
  const [program, ...words] = argv;
  const fixed = present({ cwd: place.path(cwd), umask: umask === undefined ? undefined : Number.parseInt(umask, 8), uid, gid });
  // A bare name is looked up in PATH; anything with a slash is a file, and files are relative to the configuration.
  const found = program.includes('/') ? place.path(program) : program;
  return (params) => ({
    argv: [found, ...substituteAll(words, params)],
    ...present({ env: variables && substituteValues(variables, params) }),
    ...fixed,
  });
}
