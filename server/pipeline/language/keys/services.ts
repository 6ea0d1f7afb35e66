// The key `services`: containers beside the job, such as a database.

import { truncate } from '../../../../calls/text/quote.ts';
import type { YamlEntry } from '../../../yaml/value-tree.ts';
import { type Field, type Key, reportInvalid, reportType } from '../field.ts';
import { serviceForeignKeys } from '../foreign/foreign-keys.ts';
import { nameCharsMax, servicesMax } from '../limits.ts';
import type { Service } from '../model.ts';
import { buildSchema, duplicateKeyMessage, readKeys } from '../read-keys.ts';
import { serviceKeys } from './service-keys.ts';

/** Allows what is valid in a host name, because a service name is a host name on the job's network. */
const serviceName = /^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/;

export const servicesKey: Key<readonly Service[]> = {
  summary: 'Containers beside the job, reachable by their names while the job runs.',
  schema: { type: 'object', additionalProperties: buildSchema(serviceKeys) },
  read(field) {
    const { name, value } = field;
    if (value.is !== 'mapping')
      return reportType(field, `'${name}' must be an object`, {
        suggestions: ['write it as a mapping of names to services, such as: { db: { image: postgres:16 } }'],
      });
    if (value.entries.length > servicesMax)
      return reportInvalid(field, `'${name}' has ${value.entries.length} services; at most ${servicesMax} are allowed`);
    return distinctServices(field, value.entries).flatMap((entry) => readService(field, entry) ?? []);
  },
};

/**
 * Returns the first service of each name, and reports other spellings of the name as duplicates. Host names match
 * without regard to case.
 */
function distinctServices(field: Field, entries: readonly YamlEntry[]): readonly YamlEntry[] {
  const first = new Map<string, YamlEntry>();
  return entries.filter(({ key, at }) => {
    const before = first.get(key.toLowerCase());
    if (before === undefined) first.set(key.toLowerCase(), { key, at, value: { is: 'null', start: 0, end: 0 } });
    else if (before.key !== key)
      reportInvalid(field, duplicateKeyMessage(key, before.key, field.context.lines.linePos(before.at.start).line), {
        at,
        code: 'INVALID_CONFIG',
      });
    return before === undefined;
  });
}

function readService(services: Field, { key, at, value }: YamlEntry): Service | undefined {
  const field: Field = { ...services, name: `${services.name}.${truncate(key)}`, at, value };
  if (!serviceName.test(key) || key.length > nameCharsMax)
    return reportInvalid(
      services,
      `'${truncate(key)}' is not a valid service name: use letters, digits, '_', '.' and '-', and ` +
        'start and end with a letter or digit',
      { at },
    );
  if (value.is !== 'mapping')
    return reportType(field, `'${field.name}' must be an object`, {
      suggestions: value.is === 'string' ? [`write { image: ${truncate(value.text)} }`] : [],
    });
  const {
    values: { image, pull = 'missing', env = {}, volumes = [], memory, ...rest },
    fields,
    meant,
  } = readKeys(field, serviceKeys, serviceForeignKeys);
  if (meant.has('image')) return undefined;
  if (fields.image === undefined)
    return reportInvalid(field, `'${field.name}.image' must be specified`, { code: 'MISSING_FIELD', at });
  return image === undefined
    ? undefined
    : { name: key, image, pull, env, volumes, ...rest, ...(memory !== undefined && { memoryBytes: memory }) };
}
