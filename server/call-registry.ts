// Builds the registry of calls from the configuration: declared calls, built-in calls and the calls of features.

import type { Call } from '../calls/contract/call.ts';
import type { Availability, EngineName } from '../calls/contract/engines.ts';
import { createRegistry, type Registry } from '../calls/contract/registry.ts';
import { pipelineRunCall, pipelineRunName } from '../calls/pipeline-run.ts';
import { missingRequirement, needsEngine } from './check-machine.ts';
import { resolveWorkspace } from './config/check-workspace.ts';
import type { Config } from './config/config.ts';
import { permissionsFor } from './config/schema/pipelines.ts';
import { callListing } from './http/call-listing.ts';
import type { CallListing } from './http/deps.ts';
import { planText } from './pipeline/engine.ts';

export interface CallRegistries {
  /** Calls that clients may make. */
  readonly registry: Registry;
  /** The calls of `registry`, and those that only a feature may make. */
  readonly all: Registry;
}

/**
 * A call of a feature replaces a declared call of the same name: a reload can declare such a call, but only a restart
 * can remove the feature.
 */
export function buildCallRegistry(config: Config, featureCalls: readonly Call[] = []): CallRegistries {
  const taken = new Set(featureCalls.map(({ name }) => name));
  const listed = [...config.calls, ...builtInCalls(config)].filter(({ name }) => !taken.has(name));
  return { registry: createRegistry(listed), all: createRegistry([...listed, ...featureCalls]) };
}

/** A declared call of the same name replaces a built-in one. */
function builtInCalls(config: Config): readonly Call[] {
  const {
    pipelines: { run, workspaces },
    calls,
    limits,
  } = config;
  if (!run || calls.some(({ name }) => name === pipelineRunName)) return [];
  return [
    pipelineRunCall({
      plan: planText,
      allow: permissionsFor(pipelineRunName, config, { declared: false }),
      workspaces,
      resolveWorkspace: (folder) => resolveWorkspace(folder, workspaces),
      stop: { signal: 'SIGTERM', graceMs: limits.graceMs },
    }),
  ];
}

export interface ListingDeps {
  readonly config: Config;
  readonly engines: Readonly<Record<EngineName, Availability>>;
}

/** A call is available when all engines that it cannot work without are, and the machine has what the call requires. */
export function listCalls(registry: Registry, deps: ListingDeps): Promise<readonly CallListing[]> {
  return Promise.all(registry.list().map(async (call) => callListing(call, await callAvailability(call, deps))));
}

/** Returns whether a call can work at the moment. The reason is written for callers. */
async function callAvailability(call: Call, { config, engines }: ListingDeps): Promise<Availability> {
  const lacking = call.needs.map((engine) => engines[engine]).find((engine) => !engine.available);
  const missing = lacking !== undefined && (await needsEngine(call, config)) ? lacking : undefined;
  const reason = missing === undefined ? await missingRequirement(call, config) : undefined;
  return missing ?? (reason === undefined ? { available: true } : { available: false, reason });
}
