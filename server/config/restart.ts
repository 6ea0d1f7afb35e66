// What a running gateway cannot change: it is told, and the value it runs with stays until it starts again.

import type { Config } from './config.ts';
import { freezeDeeply } from './freeze.ts';

/** By the key in the file. */
export const restartKeys = {
  'http.listen': {
    differs: (a: Config, b: Config) => a.http.host !== b.http.host || a.http.port !== b.http.port,
    keep: (next: Config, { http: { host, port } }: Config): Config => ({ ...next, http: { ...next.http, host, port } }),
  },
  data: {
    differs: (a: Config, b: Config) => a.data !== b.data,
    keep: (next: Config, { data }: Config): Config => ({ ...next, data }),
  },
  'docker.host': {
    differs: (a: Config, b: Config) => a.docker.host !== b.docker.host,
    keep: (next: Config, { docker }: Config): Config => ({ ...next, docker }),
  },
  node: {
    differs: (a: Config, b: Config) => a.node !== b.node,
    keep: (next: Config, { node }: Config): Config => ({ ...next, node }),
  },
} as const;

export type RestartKey = keyof typeof restartKeys;

export interface Swap {
  /** What may be used from now on: the new file, but for the keys that need a restart. */
  readonly config: Config;
  readonly restartNeeded: readonly RestartKey[];
}

/** `running` is the configuration the gateway was started with, as it was loaded. */
export function swap(running: Config, next: Config): Swap {
  const restartNeeded = (Object.keys(restartKeys) as RestartKey[]).filter((key) => restartKeys[key].differs(running, next));
  const config = restartNeeded.reduce((kept, key) => restartKeys[key].keep(kept, running), next);
  return { config: freezeDeeply(config), restartNeeded };
}
