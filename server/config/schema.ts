// What distillery.yaml may hold, as one JSON Schema: the table of its keys, the limits, and what each kind of call adds.

import { Ajv } from 'ajv';
import type { ValidateFunction } from 'ajv';
import { kinds } from '../../calls/catalogue.ts';
import type { JsonSchema } from '../../calls/contract/call.ts';
import { callNamePattern, callNameSays, commonKeys } from '../../calls/contract/declaration.ts';
import { path } from '../../calls/contract/parts.ts';
import { retentionKeys } from '../../calls/contract/policies.ts';
import { addVocabulary } from '../../calls/contract/vocabulary.ts';
import { limits } from '../../protocol/limits.ts';
import type { Limit } from '../../protocol/limits.ts';
import { pinKeys } from './pin-door.ts';
import { pipelinesKeys, secretsSchema } from './pipelines.ts';

const hostName: JsonSchema = { type: 'string', pattern: '^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$', says: 'must be a host name, without scheme, port or path' };
const count: JsonSchema = { type: 'integer', minimum: 0 };
const flag: JsonSchema = { type: 'boolean' };

const systemKeys = {
  slug: { type: 'string', pattern: '^[a-zA-Z0-9][-a-zA-Z0-9]*$', says: 'must be letters, digits and "-", and not begin with "-"' },
  url: { type: 'string' },
  tagline: { type: 'string' },
  entityCount: count,
  bundleCount: count,
  lastEdit: { type: 'string' },
  running: flag,
  listed: flag,
} as const;

/** Every key at the top of the file. */
export const topKeys = {
  http: section({
    api: flag,
    listen: { type: 'string' },
    domain: hostName,
    domains: { type: 'array', items: hostName },
    panel: hostName,
    origins: { type: 'array', items: { type: 'string' } },
  }),
  home: section({ list: section({ public: flag, private: flag }) }),
  data: path,
  docker: section({
    host: { type: 'string', pattern: '^(auto|unix:///.+|tcp://[^/]+)$', says: 'must be auto or an address, such as unix:///run/docker.sock or tcp://127.0.0.1:2375' },
  }),
  environment: { type: 'array', items: { type: 'string', pattern: '^[^=\\u0000]+$', says: 'must be the name of a variable' } },
  retention: section(retentionKeys),
  shutdown: section({ grace: { duration: { min: 0 } } }),
  limits: section(Object.fromEntries(Object.entries(limits).map(([name, limit]) => [name, limitSchema(limit)]))),
  systems: { type: 'array', items: { ...section(systemKeys), required: ['slug', 'url'] } },
  news: path,
  modules: { type: 'array', items: path },
  node: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$', says: 'must be a name of letters, digits, ".", "_" and "-"' },
  calls: {
    type: 'object',
    propertyNames: { pattern: callNamePattern, says: callNameSays },
    additionalProperties: section(Object.assign({}, commonKeys, ...kinds.map(({ keys }) => keys)) as Record<string, JsonSchema>),
  },
  pipelines: section(pipelinesKeys),
  secrets: secretsSchema,
  doors: section({ pin: section(pinKeys) }),
} as const satisfies Record<string, JsonSchema>;

/** The schema of the whole file. */
export const configSchema = section(topKeys);

const ajv = addVocabulary(new Ajv({ allErrors: true, verbose: true, strict: true, strictTypes: false, strictRequired: false, logger: false }));

/** Its `errors` carry the schema and the value they are about. */
export const validateConfig: ValidateFunction = ajv.compile(configSchema);

function section(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { type: 'object', properties, additionalProperties: false };
}

function limitSchema({ unit, min }: Limit): JsonSchema {
  switch (unit) {
    case 'ms': return { duration: { min } };
    case 'bytes': return { size: { min } };
    default: return { type: 'integer', minimum: min };
  }
}
