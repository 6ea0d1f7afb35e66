// The call behind this door: a pipeline that somebody has brought.

import { basename } from 'node:path';
import type { Call } from '../../../calls/contract/call.ts';
import type { Caller } from '../../../calls/contract/context.ts';
import type { PipelineAllowance, PipelineSpec, WorkspaceSource } from '../../../calls/contract/engines.ts';
import { allowsHostJobs } from './exposure.ts';
import type { PinOptions } from './parts.ts';
import type { Source } from './runs/record.ts';

export const pinCallName = 'pin';

/** Whoever comes through this door may make its call, and no other. */
export const doorScope = 'door.pin';
export const doorCaller: Caller = { user: 'pin', token: true, scopes: [doorScope] };

/** More wait than can be of use to anybody. */
export const queueMax = 100;
/** What is kept of runs. */
export const runsKept = 500;

/** Where the files of a run are: in its input, in the folder of the options, or nowhere. */
export type WorkspaceChoice = 'input' | 'folder' | 'none';

export interface PinRequest {
  readonly text: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly source: Source;
  readonly workspace: WorkspaceChoice;
}

/** In the order of the call. */
export function paramsOf({ text, variables, source, workspace }: PinRequest): readonly string[] {
  return [text, JSON.stringify(variables), source, workspace];
}

/** `gatewayHost` is where the gateway's own server listens. The text is not checked here: the door has done so. */
export function pinCall(options: PinOptions, gatewayHost: string, secrets: readonly string[] = []): Call {
  const allow = pinAllowance(options, gatewayHost, secrets);
  return {
    name: pinCallName,
    summary: 'A pipeline that came through the pin door',
    kind: 'pipeline',
    params: [
      { name: 'pipeline', summary: 'its YAML text', recorded: 'digest' },
      { name: 'variables', summary: 'for its conditions and jobs, as JSON' },
      { name: 'source', summary: 'where it came from', schema: { enum: ['http_endpoint', 'github_webhook', 'initial_file'] } },
      { name: 'workspace', summary: 'where its files are', schema: { enum: ['input', 'folder', 'none'] } },
    ],
    needs: ['pipeline'],
    scope: doorScope,
    stop: { signal: 'SIGTERM', graceMs: 10_000 },
    onDisconnect: { default: { type: 'detach' }, allow: [] },
    concurrency: { limit: options.maxConcurrent, queue: queueMax },
    retention: { runs: runsKept },
    body: ({ params, engines }) => engines.pipeline(specOf(params, options, allow)),
  };
}

/** What pipelines that come through this door may do. `secrets` are those that name its call. */
export function pinAllowance(options: PinOptions, gatewayHost: string, secrets: readonly string[]): PipelineAllowance {
  return { hostJobs: allowsHostJobs(options, gatewayHost), mounts: [], hostNetwork: false, engines: [], secrets };
}

function specOf(params: Readonly<Record<string, string>>, options: PinOptions, allow: PipelineAllowance): PipelineSpec {
  const { pipeline = '', variables = '{}', source, workspace } = params;
  return {
    text: pipeline,
    file: fileOf(source as Source, options),
    variables: JSON.parse(variables) as Record<string, string>,
    workspace: workspaceOf(workspace as WorkspaceChoice, options),
    allow,
  };
}

/** What a pipeline is called in complaints; never where it is. */
export function fileOf(source: Source, { github, initial }: PinOptions): string {
  switch (source) {
    case 'http_endpoint': return 'pin.yaml';
    case 'github_webhook': return basename(github?.pipeline ?? 'pin.yaml');
    case 'initial_file': return basename(initial ?? 'pin.yaml');
    default: return source satisfies never;
  }
}

function workspaceOf(choice: WorkspaceChoice, { workspace }: PinOptions): WorkspaceSource {
  switch (choice) {
    case 'input': return { from: 'input', encoding: 'binary' };
    case 'folder': return workspace === undefined ? { from: 'nowhere' } : { from: 'folder', path: workspace };
    case 'none': return { from: 'nowhere' };
    default: return choice satisfies never;
  }
}
