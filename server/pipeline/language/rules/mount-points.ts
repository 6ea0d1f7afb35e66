// Rule: no two volumes are mounted at the same path.

import { posix } from 'node:path';
import { truncate } from '../../../../calls/text/quote.ts';
import type { Field } from '../field.ts';
import { type JobRule, reportField } from './rule.ts';

interface MountPoint {
  readonly field: Field;
  readonly path: string;
}

export const distinctMountPoints: JobRule = ({ values: { volumes = [], cache = [], services = [] }, fields }) => {
  reportDuplicates([
    ...volumes.map(({ path }) => ({ path, field: fields.volumes! })),
    ...cache.map(({ path }) => ({ path, field: fields.cache! })),
  ]);
  for (const service of services)
    reportDuplicates(service.volumes.map(({ path }) => ({ path, field: fields.services! })));
};

function reportDuplicates(mounts: readonly MountPoint[]): void {
  const taken = new Set<string>();
  for (const { path, field } of mounts) {
    const point = posix.normalize(path).replace(/(.)\/$/, '$1');
    if (taken.has(point))
      reportField(field, `two volumes are mounted at '${truncate(path)}'`, ['choose another path for one of them']);
    taken.add(point);
  }
}
