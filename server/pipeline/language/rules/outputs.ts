// A name that jobs hand on is of one job.

import { cut } from '../../../../calls/contract/quote.ts';
import { refuse, type FileRule } from './rule.ts';

export const outputsAreOfOneJob: FileRule = ({ jobs }) => {
  const owners = new Map<string, string>();
  for (const { name, values, fields } of [...jobs].sort((a, b) => a.at.start - b.at.start)) {
    for (const output of values.outputs ?? []) {
      const owner = owners.get(output);
      if (owner !== undefined && owner !== name) refuse(fields.outputs!, `the output '${cut(output)}' is of the job '${cut(owner)}' already`, ['give one of them another name']);
      else owners.set(output, name);
    }
  }
};
