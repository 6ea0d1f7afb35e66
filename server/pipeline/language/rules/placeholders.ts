// Rule: every `${name}` in an image, the path of a Dockerfile, or the name of a volume or cache names an axis of the
// job's matrix.

import { truncate } from '../../../../calls/text/quote.ts';
import { type Field, reportInvalid } from '../field.ts';
import type { Axis } from '../model.ts';
import { suggestName } from '../suggestions.ts';
import type { JobRule } from './rule.ts';

export const placeholdersInMatrix: JobRule = ({ values, fields }) => {
  if (fields.matrix !== undefined && values.matrix === undefined) return;
  const axes = new Map((values.matrix?.axes ?? []).map((axis) => [axis.name, axis]));
  if (values.image !== undefined) checkPlaceholders(fields.image!, [values.image], { axes });
  if (values.dockerfile !== undefined) checkPlaceholders(fields.dockerfile!, [values.dockerfile], { axes });
  if (values.volumes !== undefined)
    checkPlaceholders(
      fields.volumes!,
      values.volumes.flatMap(({ source }) => ('name' in source ? [source.name] : [])),
      { axes, isName: true },
    );
  if (values.cache !== undefined)
    checkPlaceholders(
      fields.cache!,
      values.cache.map(({ name }) => name),
      { axes, isName: true },
    );
  for (const service of values.services ?? []) {
    checkPlaceholders(fields.services!, [service.image], { axes });
    checkPlaceholders(
      fields.services!,
      service.volumes.flatMap(({ source }) => ('name' in source ? [source.name] : [])),
      { axes, isName: true },
    );
  }
};

interface PlaceholderContext {
  readonly axes: ReadonlyMap<string, Axis>;
  /** True if the value becomes part of a volume name. */
  readonly isName?: boolean;
}

function checkPlaceholders(field: Field, texts: readonly string[], { axes, isName = false }: PlaceholderContext): void {
  for (const name of texts.flatMap((text) =>
    [...text.matchAll(/(?<!\$)\$\{([A-Za-z_]\w*)\}/g)].map(([, found]) => found!),
  )) {
    const axis = axes.get(name);
    const invalid = isName ? axis?.values.find((value) => !/^[A-Za-z0-9_.-]+$/.test(value)) : undefined;
    if (axis === undefined)
      reportInvalid(field, `'${field.name}' has \${${truncate(name)}}, which is not in the matrix of this job`, {
        suggestions: suggestName(name, axes.keys()),
      });
    else if (invalid !== undefined)
      reportInvalid(
        field,
        `'${field.name}' has \${${truncate(name)}}, whose value '${truncate(invalid)}' cannot be part of a volume name`,
      );
  }
}
