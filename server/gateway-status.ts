// Collects the status and the readiness of the gateway from its features.

import { type RunState, runStates } from '../protocol/run-record.ts';
import type { ActiveConfig } from './active-config.ts';
import type { Status } from './http/deps.ts';
import type { Feature, Readiness } from './http/kit/feature.ts';

export interface StatusDeps {
  readonly version: string;
  readonly active: ActiveConfig;
  readonly isStopping: () => boolean;
}

/** Returns a feature with the status of the gateway itself. */
export function createStatusFeature({ version, active, isStopping }: StatusDeps): Feature {
  const startedAt = new Date();
  const startedMs = performance.now();
  return {
    name: 'gateway',
    status: () => ({
      version,
      node: active.config.node,
      startedAt: startedAt.toISOString(),
      uptimeMs: Math.round(performance.now() - startedMs),
      state: isStopping() ? 'stopping' : 'running',
      api: active.config.http.api,
      ...(active.lastReload !== undefined && { lastReload: active.lastReload }),
    }),
    ready: () => (isStopping() ? { ready: false, reason: 'the gateway is stopping' } : { ready: true }),
  };
}

export async function collectStatus(features: readonly Feature[]): Promise<Status> {
  const parts = await Promise.all(features.map((feature) => feature.status?.()));
  const { runs, ...status } = Object.assign({}, ...parts) as Status;
  // Include every state, also those without runs.
  const counts = Object.fromEntries(runStates.map((state) => [state, runs[state] ?? 0])) as Record<RunState, number>;
  return { ...status, runs: counts };
}

export function collectReadiness(features: readonly Feature[]): Readiness {
  const results = features.flatMap((feature) => feature.ready?.() ?? []);
  return results.find(({ ready }) => !ready) ?? { ready: true };
}
