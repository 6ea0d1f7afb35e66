// The call `pipeline.run`: runs a pipeline that the caller sends, within the operator's permissions.

import type { Call, CallResult, ParamsCheck } from './contract/call.ts';
import type { Context } from './contract/context.ts';
import type { PipelinePermissions, PipelineSpec, PlanPipeline, StopPolicy } from './contract/engines.ts';
import { type PipelineOptions, readPipelineOptions } from './pipeline-options.ts';
import { isError } from './text/diagnostic.ts';
import { formatDiagnosticLine, joinDiagnosticLines } from './text/format-diagnostics.ts';

export const pipelineRunName = 'pipeline.run';

export interface PipelineRunDeps {
  readonly plan: PlanPipeline;
  readonly allow: PipelinePermissions;
  /** Folders (absolute) that callers may choose as workspace, subfolders included. */
  readonly workspaces: readonly string[];
  /** Resolves all links in a folder path. Throws WorkFailed if the folder does not exist or is outside `workspaces`. */
  readonly resolveWorkspace: (folder: string) => Promise<string>;
  readonly stop: StopPolicy;
}

/** Limits for active and waiting runs of this call. They are low because each run may have several jobs at once. */
const pipelineRunConcurrency = { limit: 8, queue: 100 } as const;

const messageCharsMax = 16_000;

export function pipelineRunCall(deps: PipelineRunDeps): Call {
  return {
    name: pipelineRunName,
    summary: 'Run a pipeline that the caller sends',
    kind: 'pipeline',
    params: [
      {
        name: 'pipeline',
        summary: 'The text of the pipeline, as YAML',
        schema: { type: 'string', minLength: 1 },
        recorded: 'digest',
        // A pipeline has no limit of its own: the size of the message limits it.
        bytesMax: Infinity,
      },
      { name: 'options', summary: 'JSON: file, variables, workspace, jobs', default: '{}', bytesMax: Infinity },
    ],
    needs: ['pipeline'],
    scope: pipelineRunName,
    stop: deps.stop,
    onDisconnect: {
      default: { type: 'cancel' },
      allow: [{ type: 'cancel' }, { type: 'detach' }, { type: 'grace', graceMs: 3_600_000 }],
    },
    concurrency: pipelineRunConcurrency,
    check: (params) => checkParams(params, deps),
    body: (context) => runPipeline(context, deps),
  };
}

async function runPipeline(
  { engines, params, planned }: Context,
  { allow, workspaces, resolveWorkspace }: PipelineRunDeps,
): Promise<CallResult> {
  const read = readPipelineOptions(params['options'] ?? '{}', workspaces);
  if (!read.ok) throw new Error(`accepted options are now invalid: ${read.errors.join('; ')}`);
  const { file, variables, workspace, jobs } = read.options;
  return engines.pipeline({
    text: params['pipeline'] ?? '',
    ...(planned !== undefined && { planned }),
    file,
    variables,
    ...(jobs.length > 0 && { jobs }),
    allow,
    workspace: await resolveSource(workspace, resolveWorkspace),
  });
}

async function resolveSource(
  workspace: PipelineOptions['workspace'],
  resolveWorkspace: PipelineRunDeps['resolveWorkspace'],
): Promise<PipelineSpec['workspace']> {
  switch (workspace) {
    case 'none':
      return { from: 'nowhere' };
    case 'input':
      return { from: 'input', encoding: 'base64' };
    default:
      return { from: 'folder', path: await resolveWorkspace(workspace) };
  }
}

/**
 * Checks the options and plans the text; the run reuses the plan. A rejection lists as many errors as fit, one per
 * line.
 */
function checkParams(params: Readonly<Record<string, string>>, deps: PipelineRunDeps): ParamsCheck {
  const read = readPipelineOptions(params['options'] ?? '{}', deps.workspaces);
  const file = read.ok ? read.options.file : 'pipeline.yaml';
  const planned = deps.plan(params['pipeline'] ?? '', deps.allow, read.ok ? read.options.jobs : []);
  const lines = [
    ...(read.ok ? [] : read.errors.map((problem) => `options: ${problem}`)),
    ...planned.diagnostics.filter(isError).map((diagnostic) => formatDiagnosticLine({ ...diagnostic, file })),
  ];
  return lines.length === 0
    ? { ok: true, planned }
    : { ok: false, message: joinDiagnosticLines(lines, messageCharsMax) };
}
