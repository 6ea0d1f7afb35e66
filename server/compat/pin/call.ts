// The call `pin`: runs the pipeline of a request to the pin API.

import { basename } from 'node:path';
import type { Call } from '../../../calls/contract/call.ts';
import type { Caller } from '../../../calls/contract/context.ts';
import type { PipelinePermissions, PipelineSpec, WorkspaceSource } from '../../../calls/contract/engines.ts';
import type { PinOptions } from './deps.ts';
import { allowsHostJobs } from './exposure.ts';
import type { Source } from './runs/record.ts';

export const pinCallName = 'pin';

/** The only scope that clients of the pin API have. */
const pinScope = 'compat.pin';
export const pinCaller: Caller = { user: 'pin', token: true, scopes: [pinScope] };

/** Maximum number of waiting runs. */
export const queueMax = 100;
/** Number of runs that are retained. */
export const retainedRuns = 500;

/** Source of the files of a run: its input, the folder of the options, or none. */
export type WorkspaceChoice = 'input' | 'folder' | 'none';

/**
 * Returns the call. It expects a text that the pin API has checked. `gatewayHost` is the host that the gateway listens
 * on.
 */
export function pinCall(options: PinOptions, gatewayHost: string, secrets: readonly string[] = []): Call {
  const allow = pinPermissions(options, gatewayHost, secrets);
  return {
    name: pinCallName,
    summary: 'Pipeline of the pin API',
    kind: 'pipeline',
    params: [
      // These two params need no limit here: the pin API limits the size of both texts.
      { name: 'pipeline', summary: 'YAML text of the pipeline', recorded: 'digest', bytesMax: Infinity },
      { name: 'variables', summary: 'variables for conditions and jobs, as JSON', bytesMax: Infinity },
      {
        name: 'source',
        summary: 'origin of the request',
        schema: { enum: ['http_endpoint', 'github_webhook', 'initial_file'] },
      },
      { name: 'workspace', summary: 'source of the files', schema: { enum: ['input', 'folder', 'none'] } },
    ],
    needs: ['pipeline'],
    scope: pinScope,
    stop: { signal: 'SIGTERM', graceMs: 10_000 },
    onDisconnect: { default: { type: 'detach' }, allow: [] },
    concurrency: { limit: options.maxConcurrent, queue: queueMax },
    retention: { runs: retainedRuns },
    body: ({ params, engines, planned }) =>
      engines.pipeline({ ...pipelineSpec(params, options, allow), ...(planned !== undefined && { planned }) }),
  };
}

/** Returns what pipelines of the pin API may do. `secrets` are the names of the secrets that list the call `pin`. */
export function pinPermissions(
  options: PinOptions,
  gatewayHost: string,
  secrets: readonly string[],
): PipelinePermissions {
  return { hostJobs: allowsHostJobs(options, gatewayHost), mounts: [], hostNetwork: false, engines: [], secrets };
}

function pipelineSpec(
  params: Readonly<Record<string, string>>,
  options: PinOptions,
  allow: PipelinePermissions,
): PipelineSpec {
  const { pipeline = '', variables = '{}', source, workspace } = params;
  return {
    text: pipeline,
    file: pipelineFileName(source as Source, options),
    variables: JSON.parse(variables) as Record<string, string>,
    workspace: workspaceSource(workspace as WorkspaceChoice, options),
    allow,
  };
}

/** Returns the name that messages show for a pipeline. It never contains a path. */
function pipelineFileName(source: Source, { github, initial }: PinOptions): string {
  switch (source) {
    case 'http_endpoint':
      return 'pin.yaml';
    case 'github_webhook':
      return basename(github?.pipeline ?? 'pin.yaml');
    case 'initial_file':
      return basename(initial ?? 'pin.yaml');
    default:
      return source satisfies never;
  }
}

function workspaceSource(choice: WorkspaceChoice, { workspace }: PinOptions): WorkspaceSource {
  switch (choice) {
    case 'input':
      return { from: 'input', encoding: 'binary' };
    case 'folder':
      return workspace === undefined ? { from: 'nowhere' } : { from: 'folder', path: workspace };
    case 'none':
      return { from: 'nowhere' };
    default:
      return choice satisfies never;
  }
}
