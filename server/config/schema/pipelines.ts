// The sections `pipelines` and `secrets`: what pipelines may use beyond their own containers.

import { resolve } from 'node:path';
import type { JsonSchema } from '../../../calls/contract/call.ts';
import type { PipelinePermissions } from '../../../calls/contract/engines.ts';
import { callNamePattern } from '../../../calls/declare/declaration.ts';
import { pathSchema } from '../../../calls/declare/schema-parts.ts';
import type { Config, SecretSource } from '../config.ts';
import { asList, asMapping } from '../loose-access.ts';

const flag: JsonSchema = { type: 'boolean' };
const folders: JsonSchema = { type: 'array', items: pathSchema };

export const pipelinesKeys = {
  run: flag,
  hostJobs: flag,
  mounts: folders,
  hostNetwork: flag,
  engines: {
    type: 'array',
    items: {
      type: 'string',
      pattern: '^(tcp|unix|npipe|ssh)://.+',
      errorText: 'must be an address, such as unix:///run/docker.sock or tcp://127.0.0.1:2375',
    },
  },
  workspaces: folders,
} as const satisfies Record<keyof Config['pipelines'], JsonSchema>;

/** Keys of the source of a secret value. A valid source has exactly one of them. */
export const sourceKeys = {
  file: pathSchema,
  variable: { type: 'string', pattern: '^[^=\\u0000]+$', errorText: 'must be the name of a variable' },
} as const satisfies Record<string, JsonSchema>;

export const secretKeys = {
  ...sourceKeys,
  calls: {
    type: 'array',
    items: { type: 'string', pattern: callNamePattern, errorText: 'must be the name of a call' },
  },
} as const satisfies Record<string, JsonSchema>;

export const secretsSchema: JsonSchema = {
  type: 'object',
  propertyNames: {
    pattern: '^[A-Za-z_][A-Za-z0-9_.-]*$',
    errorText: 'is not a valid secret name: use letters, digits, "_", "." and "-", and start with a letter or "_"',
  },
  additionalProperties: { type: 'object', properties: secretKeys, additionalProperties: false },
};

export function buildPipelines(declared: unknown, base: string): Config['pipelines'] {
  const {
    run = true,
    hostJobs = false,
    mounts,
    hostNetwork = false,
    engines,
    workspaces,
  } = asMapping(declared) as Partial<Config['pipelines']>;
  return {
    run,
    hostJobs,
    mounts: resolveAll(mounts, base),
    hostNetwork,
    engines: asList(engines) as readonly string[],
    workspaces: resolveAll(workspaces, base),
  };
}

function resolveAll(paths: unknown, base: string): readonly string[] {
  return asList(paths)
    .filter((one) => typeof one === 'string')
    .map((one) => resolve(base, one));
}

export function buildSecrets(declared: unknown, base: string): Config['secrets'] {
  return Object.fromEntries(
    Object.entries(asMapping(declared)).map(([name, secret]) => {
      const { calls } = asMapping(secret);
      return [
        name,
        { ...buildSource(secret, base), ...(calls !== undefined && { calls: asList(calls) as readonly string[] }) },
      ];
    }),
  );
}

/** Builds a source from `declared`, which has exactly one of the two keys. */
export function buildSource(declared: unknown, base: string): SecretSource {
  const { file, variable } = asMapping(declared);
  return typeof file === 'string' ? { file: resolve(base, file) } : { variable: String(variable) };
}

/**
 * Returns what pipelines of the call `name` may use. `declared` is true if the file declares the call. Pipelines of a
 * declared call may also use the secrets that do not list calls.
 */
export function permissionsFor(
  name: string,
  { pipelines, secrets }: Pick<Config, 'pipelines' | 'secrets'>,
  { declared }: { readonly declared: boolean },
): PipelinePermissions {
  const { hostJobs, mounts, hostNetwork, engines } = pipelines;
  const allowedSecrets = Object.entries(secrets).filter(([, { calls }]) =>
    calls === undefined ? declared : calls.includes(name),
  );
  return { hostJobs, mounts, hostNetwork, engines, secrets: allowedSecrets.map(([secret]) => secret) };
}
