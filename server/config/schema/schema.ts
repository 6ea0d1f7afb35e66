// The JSON Schema of distillery.yaml: all keys, the limits, and the keys of each call kind.

import type { ValidateFunction } from 'ajv';
import { Ajv } from 'ajv';
import { addKeywords } from '../../../calls/contract/ajv-keywords.ts';
import type { JsonSchema } from '../../../calls/contract/call.ts';
import { callNameMessage, callNamePattern, commonKeys } from '../../../calls/declare/declaration.ts';
import { retentionKeys } from '../../../calls/declare/policies.ts';
import { pathSchema } from '../../../calls/declare/schema-parts.ts';
import { kinds } from '../../../calls/kinds.ts';
import type { Limit } from '../../../protocol/limits.ts';
import { limits } from '../../../protocol/limits.ts';
import { pinKeys } from './pin.ts';
import { pipelinesKeys, secretsSchema } from './pipelines.ts';

/** Pattern of a port number, 1 to 65535. */
const portPattern = '([1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])';

const hostName: JsonSchema = {
  type: 'string',
  pattern: `^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:${portPattern})?$`,
  errorText: 'must be a host name, with or without a port, without scheme or path',
};
const count: JsonSchema = { type: 'integer', minimum: 0 };
const flag: JsonSchema = { type: 'boolean' };

const systemKeys = {
  slug: {
    type: 'string',
    pattern: '^[a-zA-Z0-9][-a-zA-Z0-9]*$',
    errorText: 'must consist of letters, digits and "-", and not begin with "-"',
  },
  url: { type: 'string' },
  tagline: { type: 'string' },
  entityCount: count,
  bundleCount: count,
  lastEdit: { type: 'string' },
  running: flag,
  listed: flag,
} as const;

/** All keys at the top level of the file. */
export const topKeys = {
  http: section({
    api: flag,
    listen: { type: 'string' },
    domain: hostName,
    domains: { type: 'array', items: hostName },
    // Existing files may contain true or false, which have no effect.
    panel: { ...hostName, type: ['string', 'boolean'] },
    origins: { type: 'array', items: { type: 'string' } },
    keepAlive: { duration: { min: 1 } },
  }),
  home: section({ list: section({ public: flag, private: flag }) }),
  data: pathSchema,
  docker: section({
    host: {
      type: 'string',
      pattern: '^(auto|unix:///.+|tcp://[^/]+)$',
      errorText: 'must be auto or an address, such as unix:///run/docker.sock or tcp://127.0.0.1:2375',
    },
  }),
  environment: {
    type: 'array',
    items: { type: 'string', pattern: '^[^=\\u0000]+$', errorText: 'must be the name of a variable' },
  },
  retention: section(retentionKeys),
  shutdown: section({ grace: { duration: { min: 0 } }, containers: { enum: ['stop', 'leave'] } }),
  limits: section(Object.fromEntries(Object.entries(limits).map(([name, limit]) => [name, limitSchema(limit)]))),
  systems: { type: 'array', items: { ...section(systemKeys), required: ['slug', 'url'] } },
  resolve: {
    type: 'object',
    propertyNames: { pattern: '^.+$', errorText: 'is empty; write the beginning of the URIs' },
    additionalProperties: { type: 'string' },
  },
  news: pathSchema,
  modules: { type: 'array', items: pathSchema },
  node: {
    type: 'string',
    pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$',
    errorText: 'must be a name of letters, digits, ".", "_" and "-"',
  },
  calls: {
    type: 'object',
    propertyNames: { pattern: callNamePattern, errorText: callNameMessage },
    additionalProperties: section(
      Object.assign({}, commonKeys, ...kinds.map(({ keys }) => keys)) as Record<string, JsonSchema>,
    ),
  },
  pipelines: section(pipelinesKeys),
  secrets: secretsSchema,
  compat: section({ pin: section(pinKeys) }),
} as const satisfies Record<string, JsonSchema>;

/** The schema of the whole file. */
export const configSchema = section(topKeys);

const ajv = addKeywords(
  new Ajv({ allErrors: true, verbose: true, strict: true, strictTypes: false, strictRequired: false, logger: false }),
);

/** Validates a whole file. Each of its `errors` contains the schema and the value concerned. */
export const validateConfig: ValidateFunction = ajv.compile(configSchema);

function section(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { type: 'object', properties, additionalProperties: false };
}

function limitSchema({ unit, min }: Limit): JsonSchema {
  switch (unit) {
    case 'ms':
      return { duration: { min } };
    case 'bytes':
      return { size: { min } };
    default:
      return { type: 'integer', minimum: min };
  }
}
