// What a running gateway cannot change: it is told, and the value it runs with stays until it starts again.

import type { LimitName } from '../../protocol/limits.ts';
import type { Config } from './config.ts';
import { freezeDeeply } from './freeze.ts';

/** Limits that are handed to runs and engines when the gateway starts. Those of sessions and answers are asked for each time. */
export const restartLimits = [
  'requestMs', 'runsMax', 'queuedMax', 'inputBytesMax', 'lineBytesMax', 'tailBytesMax', 'owedBytesMax', 'segmentBytesMax', 'outputBytesMax', 'drainMs', 'releaseMs', 'returnMs', 'bodyMs',
  'pullMs', 'stallMs',
] as const satisfies readonly LimitName[];

interface Part {
  /** Values are equal when their texts are. */
  of(config: Config): unknown;
  keep(next: Config, running: Config): Config;
}

const keys = {
  'http.listen': {
    of: ({ http: { host, port } }) => [host, port],
    keep: (next, { http: { host, port } }) => ({ ...next, http: { ...next.http, host, port } }),
  },
  data: { of: ({ data }) => data, keep: (next, { data }) => ({ ...next, data }) },
  'docker.host': { of: ({ docker }) => docker.host, keep: (next, { docker }) => ({ ...next, docker }) },
  environment: { of: ({ environment }) => environment, keep: (next, { environment }) => ({ ...next, environment }) },
  'doors.pin': { of: ({ doors }) => doors.pin, keep: (next, { doors }) => ({ ...next, doors }) },
  node: { of: ({ node }) => node, keep: (next, { node }) => ({ ...next, node }) },
} as const satisfies Record<string, Part>;

export type RestartKey = keyof typeof keys | `limits.${(typeof restartLimits)[number]}`;

/** By the key in the file. */
export const restartKeys: Readonly<Record<RestartKey, Part>> = {
  ...keys,
  ...(Object.fromEntries(restartLimits.map((name) => [`limits.${name}`, limitPart(name)])) as Record<Extract<RestartKey, `limits.${string}`>, Part>),
};

function limitPart(name: LimitName): Part {
  return {
    of: ({ limits }) => limits[name],
    keep: (next, { limits }) => ({ ...next, limits: { ...next.limits, [name]: limits[name] } }),
  };
}

export interface Swap {
  /** What may be used from now on: the new file, but for the keys that need a restart. */
  readonly config: Config;
  readonly restartNeeded: readonly RestartKey[];
}

/** `running` is the configuration the gateway was started with, as it was loaded. */
export function swap(running: Config, next: Config): Swap {
  const differs = (key: RestartKey) => JSON.stringify(restartKeys[key].of(running)) !== JSON.stringify(restartKeys[key].of(next));
  const restartNeeded = (Object.keys(restartKeys) as RestartKey[]).filter(differs);
  return { config: freezeDeeply(restartNeeded.reduce((kept, key) => restartKeys[key].keep(kept, running), next)), restartNeeded };
}
