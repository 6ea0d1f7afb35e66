// The kind `terminal`: a program on a terminal of its own, for people. The caller's window decides the size.

import type { Kind } from './contract/kind.ts';
import { env, numericId, path, screenCells, words } from './contract/parts.ts';
import { programFixed, programSpec } from './process.ts';
import type { Argv } from './process.ts';

/** What terminals have been since they had a screen. */
const defaultSize = { cols: 80, rows: 24 };

export const terminalKind: Kind = {
  name: 'terminal',
  keys: { terminal: words, env, cwd: path, uid: numericId, gid: numericId, cols: screenCells, rows: screenCells },
  templates: [['terminal', '*'], ['env', '*']],
  fixed: programFixed('terminal'),
  bind(declaration, place) {
    const specFor = programSpec(declaration['terminal'] as Argv, declaration, place);
    const { cols = defaultSize.cols, rows = defaultSize.rows } = declaration as { cols?: number; rows?: number };
    return async ({ engines, params, terminal }) => engines.terminal({ ...specFor(params), ...(terminal ?? { cols, rows }) });
  },
};
