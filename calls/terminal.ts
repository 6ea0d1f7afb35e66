// The call kind `terminal`: runs a program on a pseudo-terminal of the caller's size.

import type { Kind } from './contract/kind.ts';
import { argvSchema, envSchema, numericIdSchema, pathSchema, screenCellsSchema } from './declare/schema-parts.ts';
import type { Argv } from './process.ts';
import { fixedProgramPaths, programSpec, requiredProgram } from './process.ts';

/** The traditional size of a terminal. */
const defaultSize = { cols: 80, rows: 24 };

export const terminalKind: Kind = {
  name: 'terminal',
  keys: {
    terminal: argvSchema,
    env: envSchema,
    cwd: pathSchema,
    uid: numericIdSchema,
    gid: numericIdSchema,
    cols: screenCellsSchema,
    rows: screenCellsSchema,
  },
  templates: [
    ['terminal', '*'],
    ['env', '*'],
  ],
  fixed: fixedProgramPaths('terminal'),
  requires: (declaration, source) => ({
    program: requiredProgram(declaration['terminal'] as Argv, declaration, source),
  }),
  bind(declaration, source) {
    const specFor = programSpec(declaration['terminal'] as Argv, declaration, source);
    const { cols = defaultSize.cols, rows = defaultSize.rows } = declaration as { cols?: number; rows?: number };
    return async ({ engines, params, terminal }) =>
      engines.terminal({ ...specFor(params), ...(terminal ?? { cols, rows }) });
  },
};
