// `services`: containers beside the job, such as a database.

import { cut } from '../../../../calls/contract/quote.ts';
import type { YamlEntry } from '../../../support/yaml/values.ts';
import { nameCharsMax, servicesMax } from '../bounds.ts';
import { wrong, wrongType, type Field, type Key } from '../field.ts';
import { readKeys, schemaOf, twice } from '../read-keys.ts';
import type { Service } from '../tree.ts';
import { serviceKeys } from './service-keys.ts';

/** It is a host name on the job's network. */
const serviceName = /^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/;

export const servicesKey: Key<readonly Service[]> = {
  summary: 'Containers beside the job, found by their names while it runs.',
  schema: { type: 'object', additionalProperties: schemaOf(serviceKeys) },
  read(field) {
    const { name, value } = field;
    if (value.is !== 'mapping') return wrongType(field, `'${name}' must be an object`, { suggestions: ['write it as a mapping of names to services, such as: { db: { image: postgres:16 } }'] });
    if (value.entries.length > servicesMax) return wrong(field, `'${name}' has ${value.entries.length} services; ${servicesMax} is the most there may be`);
    return distinct(field, value.entries).flatMap((entry) => readService(field, entry) ?? []);
  },
};

/** Host names match without regard to case. */
function distinct(field: Field, entries: readonly YamlEntry[]): readonly YamlEntry[] {
  const first = new Map<string, YamlEntry>();
  return entries.filter(({ key, at }) => {
    const before = first.get(key.toLowerCase());
    if (before === undefined) first.set(key.toLowerCase(), { key, at, value: { is: 'null', start: 0, end: 0 } });
    else if (before.key !== key) wrong(field, twice(key, before.key, field.ground.lines.linePos(before.at.start).line), { at, code: 'INVALID_CONFIG' });
    return before === undefined;
  });
}

function readService(services: Field, { key, at, value }: YamlEntry): Service | undefined {
  const field: Field = { ...services, name: `${services.name}.${cut(key)}`, at, value };
  if (!serviceName.test(key) || key.length > nameCharsMax) return wrong(services, `'${cut(key)}' is not a name for a service: it must be letters, digits, '_', '.' and '-', and begin and end with a letter or digit`, { at });
  if (value.is !== 'mapping') return wrongType(field, `'${field.name}' must be an object`, { suggestions: value.is === 'string' ? [`write { image: ${cut(value.text)} }`] : [] });
  const { values: { image, pull = 'missing', env = {}, volumes = [], memory, ...rest }, fields } = readKeys(field, serviceKeys);
  if (fields.image === undefined) return wrong(field, `'${field.name}.image' must be specified`, { code: 'MISSING_FIELD', at });
  return image === undefined ? undefined : { name: key, image, pull, env, volumes, ...rest, ...(memory !== undefined && { memoryBytes: memory }) };
}
