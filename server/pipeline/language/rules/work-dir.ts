// Rule: `workDir` of a container job is absolute. In host jobs it may be relative to the workspace.

import { truncate } from '../../../../calls/text/quote.ts';
import { reportInvalid } from '../field.ts';
import type { JobRule } from './rule.ts';

export const absoluteWorkDir: JobRule = ({ values, fields }) => {
  const { workDir, host } = values;
  if (workDir === undefined || host === true || workDir.startsWith('/')) return;
  reportInvalid(fields.workDir!, `'${fields.workDir!.name}' must be an absolute path, got '${truncate(workDir)}'`, {
    suggestions: [`write /${truncate(workDir.replace(/^[./]+/, ''))}`],
  });
};
