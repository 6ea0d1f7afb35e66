// All calls of a gateway: those of its configuration, and those that are built in.

import type { Call } from '../calls/contract/call.ts';
import { createRegistry, type Registry } from '../calls/contract/registry.ts';
import { pipelineRunCall, pipelineRunName } from '../calls/pipeline-run.ts';
import type { Config } from './config/config.ts';
import { allowanceOf } from './config/pipelines.ts';
import { inWorkspaces } from './config/workspaces.ts';
import { pinCall } from './doors/pin/call.ts';
import { checkPipeline } from './pipeline/engine.ts';

export interface Calls {
  /** What may be asked for. */
  readonly registry: Registry;
  /** The same, with what only doors may ask for. */
  readonly all: Registry;
}

export function callsOf(config: Config): Calls {
  const listed = [...config.calls, ...builtIn(config)];
  const { pin } = config.doors;
  return { registry: createRegistry(listed), all: createRegistry([...listed, ...(pin === undefined ? [] : [pinCall(pin, config.http.host)])]) };
}

/** What the operator declares under the same name stands in its place. */
function builtIn(config: Config): readonly Call[] {
  const { pipelines: { run, workspaces }, calls, limits } = config;
  if (!run || calls.some(({ name }) => name === pipelineRunName)) return [];
  return [pipelineRunCall({
    check: checkPipeline, allow: allowanceOf(pipelineRunName, config, { declared: false }), workspaces,
    inWorkspaces: (folder) => inWorkspaces(folder, workspaces), stop: { signal: 'SIGTERM', graceMs: limits.graceMs },
  })];
}
