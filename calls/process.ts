// The call kind `process`: runs a program on the gateway's machine.

import type { ProcessSpec, ProgramSpec } from './contract/engines.ts';
import type { DeclarationSource, Kind } from './contract/kind.ts';
import { substituteAll, substituteValues } from './contract/substitute.ts';
import { argvSchema, envSchema, numericIdSchema, pathSchema } from './declare/schema-parts.ts';
import { omitUndefined } from './text/omit-undefined.ts';
import { parseSize } from './text/units.ts';

export const processKind: Kind = {
  name: 'process',
  keys: {
    process: argvSchema,
    env: envSchema,
    cwd: pathSchema,
    umask: { type: 'string', pattern: '^[0-7]{3,4}$', errorText: 'must be octal digits in quotes, such as "027"' },
    uid: numericIdSchema,
    gid: numericIdSchema,
    // A smaller limit ends even the shell that starts the program.
    memory: { size: { min: 1 << 20 } },
    cpus: { type: 'number', minimum: 0.01 },
    pids: { type: 'integer', minimum: 1 },
  },
  templates: [
    ['process', '*'],
    ['env', '*'],
  ],
  fixed: fixedProgramPaths('process'),
  requires: (declaration, source) => ({
    program: {
      ...requiredProgram(declaration['process'] as Argv, declaration, source),
      ...processLimits(declaration),
    },
  }),
  bind(declaration, source) {
    const specFor = programSpec(declaration['process'] as Argv, declaration, source);
    const limits = processLimits(declaration);
    return async ({ engines, params }) => engines.process({ ...specFor(params), ...limits });
  },
};

interface DeclaredLimits {
  readonly memory?: number | string;
  readonly cpus?: number;
  readonly pids?: number;
}

function processLimits({ memory, cpus, pids }: DeclaredLimits): Partial<ProcessSpec> {
  return omitUndefined({ memoryBytes: memory === undefined ? undefined : parseSize(memory), cpus, pidsMax: pids });
}

export type Argv = readonly [string, ...string[]];

/**
 * Returns the paths of the strings in which placeholders are rejected. The list under `key` is the program with its
 * arguments.
 */
export function fixedProgramPaths(key: string): Kind['fixed'] {
  return [
    {
      path: [key, 0],
      why: 'a parameter could name any program; write the program itself and use parameters only as arguments',
    },
    { path: ['cwd'], why: 'a parameter could name any folder of this machine' },
  ];
}

interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly umask?: string;
  readonly uid?: number;
  readonly gid?: number;
}

/** Returns the part of a spec that decides whether the program can start. */
export function requiredProgram(
  [program]: Argv,
  { env, cwd = '.', uid, gid }: ProgramOptions,
  source: DeclarationSource,
): ProcessSpec {
  const path = env?.['PATH'];
  const hasParams = path?.includes('${') ?? false;
  return {
    argv: [executablePath(program, source)],
    cwd: source.path(cwd),
    ...omitUndefined({ uid, gid, env: path === undefined || hasParams ? undefined : { PATH: path } }),
  };
}

/** Makes a name with a slash absolute, relative to the configuration file. A bare name is looked up in PATH. */
function executablePath(program: string, source: DeclarationSource): string {
  return program.includes('/') ? source.path(program) : program;
}

/** Prepares the parts of a spec that do not depend on params. The returned function builds the spec of one run. */
export function programSpec(
  argv: Argv,
  options: ProgramOptions,
  source: DeclarationSource,
): (params: Readonly<Record<string, string>>) => ProgramSpec {
  const { env: variables, cwd = '.', umask, uid, gid } = options;
  const [program, ...args] = argv;
  const fixed = omitUndefined({
    cwd: source.path(cwd),
    umask: umask === undefined ? undefined : Number.parseInt(umask, 8),
    uid,
    gid,
  });
  const executable = executablePath(program, source);
  return (params) => ({
    argv: [executable, ...substituteAll(args, params)],
    ...omitUndefined({ env: variables && substituteValues(variables, params) }),
    ...fixed,
  });
}
