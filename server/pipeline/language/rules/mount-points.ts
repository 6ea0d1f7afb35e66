// Two things cannot be mounted at one place.

import { posix } from 'node:path';
import { cut } from '../../../../calls/contract/quote.ts';
import type { Field } from '../field.ts';
import { refuse, type JobRule } from './rule.ts';

interface Mounted {
  readonly field: Field;
  readonly path: string;
}

export const mountPointsAreDistinct: JobRule = ({ values: { volumes = [], cache = [], services = [] }, fields }) => {
  tellDoubles([
    ...volumes.map(({ path }) => ({ path, field: fields.volumes! })),
    ...cache.map(({ path }) => ({ path, field: fields.cache! })),
  ]);
  for (const service of services) tellDoubles(service.volumes.map(({ path }) => ({ path, field: fields.services! })));
};

function tellDoubles(mounts: readonly Mounted[]): void {
  const taken = new Set<string>();
  for (const { path, field } of mounts) {
    const point = posix.normalize(path).replace(/(.)\/$/, '$1');
    if (taken.has(point)) refuse(field, `two volumes are mounted at '${cut(path)}'`, ['mount one of them somewhere else']);
    taken.add(point);
  }
}
