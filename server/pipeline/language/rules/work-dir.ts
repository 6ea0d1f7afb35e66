// `workDir` is absolute in a container; on the machine it may be relative to the workspace.

import { wrong } from '../field.ts';
import { cut } from '../../../../calls/contract/quote.ts';
import type { JobRule } from './rule.ts';

export const workDirIsAbsolute: JobRule = ({ values, fields }) => {
  const { workDir, host } = values;
  if (workDir === undefined || host === true || workDir.startsWith('/')) return;
  wrong(fields.workDir!, `'${fields.workDir!.name}' must be an absolute path, got '${cut(workDir)}'`, { suggestions: [`write /${cut(workDir.replace(/^[./]+/, ''))}`] });
};
