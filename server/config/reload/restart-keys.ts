// The keys that take effect only after a restart. A reload reports changes of them and keeps their running values.

import type { LimitName } from '../../../protocol/limits.ts';
import type { Config } from '../config.ts';
import { deepFreeze } from '../freeze.ts';

/**
 * Limits that runs and engines receive when the gateway starts. The gateway reads every other limit each time that it
 * applies the limit.
 */
export const restartLimits = [
  'requestMs',
  'runsMax',
  'queuedMax',
  'inputBytesMax',
  'inputFileBytesMax',
  'lineBytesMax',
  'tailBytesMax',
  'pendingWriteBytesMax',
  'segmentBytesMax',
  'outputBytesMax',
  'outputDrainMs',
  'outputDrainMaxMs',
  'releaseMs',
  'reconnectMs',
  'alwaysJobsMs',
  'bodyReturnMs',
  'pullMs',
  'stallMs',
] as const satisfies readonly LimitName[];

interface RestartSetting {
  /** Returns the value of the key. Two values are equal if their JSON is equal. */
  select(config: Config): unknown;
  restore(next: Config, running: Config): Config;
}

const keys = {
  'http.listen': {
    select: ({ http: { host, port } }) => [host, port],
    restore: (next, { http: { host, port } }) => ({ ...next, http: { ...next.http, host, port } }),
  },
  data: { select: ({ data }) => data, restore: (next, { data }) => ({ ...next, data }) },
  'docker.host': { select: ({ docker }) => docker.host, restore: (next, { docker }) => ({ ...next, docker }) },
  environment: {
    select: ({ environment }) => environment,
    restore: (next, { environment }) => ({ ...next, environment }),
  },
  'compat.pin': { select: ({ compat }) => compat.pin, restore: (next, { compat }) => ({ ...next, compat }) },
  node: { select: ({ node }) => node, restore: (next, { node }) => ({ ...next, node }) },
} as const satisfies Record<string, RestartSetting>;

export type RestartKey = keyof typeof keys | `limits.${(typeof restartLimits)[number]}`;

/** Settings that need a restart, by their key in the file. */
export const restartKeys: Readonly<Record<RestartKey, RestartSetting>> = {
  ...keys,
  ...(Object.fromEntries(restartLimits.map((name) => [`limits.${name}`, limitSetting(name)])) as Record<
    Extract<RestartKey, `limits.${string}`>,
    RestartSetting
  >),
};

function limitSetting(name: LimitName): RestartSetting {
  return {
    select: ({ limits }) => limits[name],
    restore: (next, { limits }) => ({ ...next, limits: { ...next.limits, [name]: limits[name] } }),
  };
}

export interface MergedConfig {
  /** The configuration to use from now on: the new file, with the running values of keys that need a restart. */
  readonly config: Config;
  readonly restartNeeded: readonly RestartKey[];
}

/**
 * Merges a new configuration into the running one. `running` is the configuration that the gateway was started with, as
 * it was loaded.
 */
export function mergeWithRunning(running: Config, next: Config): MergedConfig {
  const differs = (key: RestartKey) =>
    JSON.stringify(restartKeys[key].select(running)) !== JSON.stringify(restartKeys[key].select(next));
  const restartNeeded = (Object.keys(restartKeys) as RestartKey[]).filter(differs);
  return {
    config: deepFreeze(restartNeeded.reduce((merged, key) => restartKeys[key].restore(merged, running), next)),
    restartNeeded,
  };
}
