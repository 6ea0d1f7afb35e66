// All calls of a gateway: those of its configuration, and those that are built in.

import type { Call } from '../calls/contract/call.ts';
import type { PipelineAllowance } from '../calls/contract/engines.ts';
import { createRegistry, type Registry } from '../calls/contract/registry.ts';
import { pipelineRunCall, pipelineRunName } from '../calls/pipeline-run.ts';
import type { Config } from './config/config.ts';
import { allowanceOf } from './config/pipelines.ts';
import { inWorkspaces } from './config/workspaces.ts';
import { pinAllowance, pinCall, pinCallName } from './doors/pin/call.ts';
import { checkPipeline } from './pipeline/engine.ts';

export interface Calls {
  /** What may be asked for. */
  readonly registry: Registry;
  /** The same, with what only doors may ask for. */
  readonly all: Registry;
  /** What pipelines that come by the pin door may do; absent without one. */
  readonly pinAllowance?: PipelineAllowance;
}

export function callsOf(config: Config): Calls {
  const { doors: { pin }, http: { host } } = config;
  const listed = [...config.calls, ...builtIn(config)];
  if (pin === undefined) return { registry: createRegistry(listed), all: createRegistry(listed) };
  const { secrets } = allowanceOf(pinCallName, config, { declared: false });
  // A file that takes the door away may have a call of its name; the door stays until the gateway is started again.
  const others = listed.filter(({ name }) => name !== pinCallName);
  return { registry: createRegistry(others), all: createRegistry([...others, pinCall(pin, host, secrets)]), pinAllowance: pinAllowance(pin, host, secrets) };
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
