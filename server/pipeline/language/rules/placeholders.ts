// `${name}` where no shell will ever see it must be of the job's matrix.

import { cut } from '../../../../calls/contract/quote.ts';
import { wrong, type Field } from '../field.ts';
import type { Axis } from '../tree.ts';
import { meant } from '../ways.ts';
import type { JobRule } from './rule.ts';

export const placeholdersAreOfTheMatrix: JobRule = ({ values, fields }) => {
  if (fields.matrix !== undefined && values.matrix === undefined) return;
  const axes = new Map((values.matrix ?? []).map((axis) => [axis.name, axis]));
  if (values.image !== undefined) lookInto(fields.image!, [values.image], { axes });
  if (values.dockerfile !== undefined) lookInto(fields.dockerfile!, [values.dockerfile], { axes });
  if (values.volumes !== undefined) lookInto(fields.volumes!, values.volumes.flatMap(({ source }) => ('name' in source ? [source.name] : [])), { axes, isName: true });
  if (values.cache !== undefined) lookInto(fields.cache!, values.cache.map(({ name }) => name), { axes, isName: true });
  for (const service of values.services ?? []) {
    lookInto(fields.services!, [service.image], { axes });
    lookInto(fields.services!, service.volumes.flatMap(({ source }) => ('name' in source ? [source.name] : [])), { axes, isName: true });
  }
};

interface Where {
  readonly axes: ReadonlyMap<string, Axis>;
  /** The value becomes part of the name of a volume. */
  readonly isName?: boolean;
}

function lookInto(field: Field, texts: readonly string[], { axes, isName = false }: Where): void {
  for (const name of texts.flatMap((text) => [...text.matchAll(/(?<!\$)\$\{([A-Za-z_]\w*)\}/g)].map(([, found]) => found!))) {
    const axis = axes.get(name);
    const odd = isName ? axis?.values.find((value) => !/^[A-Za-z0-9_.-]+$/.test(value)) : undefined;
    if (axis === undefined) wrong(field, `'${field.name}' has \${${cut(name)}}, which is not in the matrix of this job`, { suggestions: meant(name, axes.keys()) });
    else if (odd !== undefined) wrong(field, `'${field.name}' has \${${cut(name)}}, whose value '${cut(odd)}' cannot be in the name of a volume`);
  }
}
