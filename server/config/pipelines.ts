// What pipelines may do beyond containers of their own, and the secrets there are: the sections `pipelines` and `secrets`.

import { resolve } from 'node:path';
import type { JsonSchema } from '../../calls/contract/call.ts';
import { callNamePattern } from '../../calls/contract/declaration.ts';
import type { PipelineAllowance } from '../../calls/contract/engines.ts';
import { path } from '../../calls/contract/parts.ts';
import type { Config, SecretSource } from './config.ts';
import { items, mapping } from './shape.ts';

const flag: JsonSchema = { type: 'boolean' };
const folders: JsonSchema = { type: 'array', items: path };

export const pipelinesKeys = {
  run: flag,
  hostJobs: flag,
  mounts: folders,
  hostNetwork: flag,
  engines: {
    type: 'array',
    items: { type: 'string', pattern: '^(tcp|unix|npipe|ssh)://.+', says: 'must be an address, such as unix:///run/docker.sock or tcp://127.0.0.1:2375' },
  },
  workspaces: folders,
} as const satisfies Record<keyof Config['pipelines'], JsonSchema>;

/** A value that does not stand in the file: exactly one of the two. */
export const sourceKeys = {
  file: path,
  variable: { type: 'string', pattern: '^[^=\\u0000]+$', says: 'must be the name of a variable' },
} as const satisfies Record<string, JsonSchema>;

export const secretKeys = {
  ...sourceKeys,
  calls: { type: 'array', items: { type: 'string', pattern: callNamePattern, says: 'must be the name of a call' } },
} as const satisfies Record<string, JsonSchema>;

export const secretsSchema: JsonSchema = {
  type: 'object',
  propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_.-]*$', says: 'is not a name for a secret: it must be letters, digits, "_", "." and "-", and begin with a letter or "_"' },
  additionalProperties: { type: 'object', properties: secretKeys, additionalProperties: false },
};

export function buildPipelines(declared: unknown, base: string): Config['pipelines'] {
  const { run = true, hostJobs = false, mounts, hostNetwork = false, engines, workspaces } = mapping(declared) as Partial<Config['pipelines']>;
  return { run, hostJobs, mounts: absolute(mounts, base), hostNetwork, engines: items(engines) as readonly string[], workspaces: absolute(workspaces, base) };
}

function absolute(paths: unknown, base: string): readonly string[] {
  return items(paths).filter((one) => typeof one === 'string').map((one) => resolve(base, one));
}

export function buildSecrets(declared: unknown, base: string): Config['secrets'] {
  return Object.fromEntries(Object.entries(mapping(declared)).map(([name, secret]) => {
    const { calls } = mapping(secret);
    return [name, { ...buildSource(secret, base), ...(calls !== undefined && { calls: items(calls) as readonly string[] }) }];
  }));
}

/** `declared` has exactly one of the two keys. */
export function buildSource(declared: unknown, base: string): SecretSource {
  const { file, variable } = mapping(declared);
  return typeof file === 'string' ? { file: resolve(base, file) } : { variable: String(variable) };
}

/** What pipelines of the call `name` may do. `declared`: it stands in the file, so secrets that name no calls are for it, too. */
export function allowanceOf(name: string, { pipelines, secrets }: Pick<Config, 'pipelines' | 'secrets'>, { declared }: { readonly declared: boolean }): PipelineAllowance {
  const { hostJobs, mounts, hostNetwork, engines } = pipelines;
  const may = Object.entries(secrets).filter(([, { calls }]) => (calls === undefined ? declared : calls.includes(name)));
  return { hostJobs, mounts, hostNetwork, engines, secrets: may.map(([secret]) => secret) };
}
