// Rule: at most one job declares an output of a given name.

import { truncate } from '../../../../calls/text/quote.ts';
import { type FileRule, reportField } from './rule.ts';

export const uniqueOutputs: FileRule = ({ jobs }) => {
  const owners = new Map<string, string>();
  for (const { name, values, fields } of [...jobs].sort((a, b) => a.at.start - b.at.start)) {
    for (const output of values.outputs ?? []) {
      const owner = owners.get(output);
      if (owner !== undefined && owner !== name)
        reportField(
          fields.outputs!,
          `the output '${truncate(output)}' is already declared by the job '${truncate(owner)}'`,
          ['rename one of them'],
        );
      else owners.set(output, name);
    }
  }
};
