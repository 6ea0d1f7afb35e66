// The call `pipeline.run`: a pipeline that the caller brings, with what the operator lets such pipelines do.

import type { Call } from './contract/call.ts';
import type { PipelineAllowance, PipelineSpec, StopPolicy } from './contract/engines.ts';
import { complaintLine, type CheckPipeline } from './contract/pipeline-complaint.ts';
import { readPipelineOptions, type PipelineOptions } from './pipeline-options.ts';

export const pipelineRunName = 'pipeline.run';

export interface PipelineRunParts {
  readonly check: CheckPipeline;
  readonly allow: PipelineAllowance;
  /** Folders (absolute) that callers may choose as workspace, with all that is in them. */
  readonly workspaces: readonly string[];
  /** The path of a folder with all links in it followed. Throws WorkFailed when it is not there, or not in one of `workspaces`. */
  readonly inWorkspaces: (folder: string) => Promise<string>;
  readonly stop: StopPolicy;
}

/** How many go on at once, and how many more wait: each may have several jobs at once. */
export const pipelineRunConcurrency = { limit: 8, queue: 100 } as const;

const messageCharsMax = 16_000;

export function pipelineRunCall(parts: PipelineRunParts): Call {
  const { allow, stop, inWorkspaces } = parts;
  return {
    name: pipelineRunName,
    summary: 'Run a pipeline that the caller brings',
    kind: 'pipeline',
    params: [
      { name: 'pipeline', summary: 'The text of the pipeline, as YAML', schema: { type: 'string', minLength: 1 }, recorded: 'digest' },
      { name: 'options', summary: 'JSON: file, variables, workspace', default: '{}' },
    ],
    needs: ['pipeline'],
    scope: pipelineRunName,
    stop,
    onDisconnect: { default: { type: 'cancel' }, allow: [{ type: 'cancel' }, { type: 'detach' }, { type: 'grace', graceMs: 3_600_000 }] },
    concurrency: pipelineRunConcurrency,
    check: (params) => problems(params, parts),
    async body({ engines, params }) {
      const read = readPipelineOptions(params['options'] ?? '{}', parts.workspaces);
      if (!read.ok) throw new Error(`options that were accepted are refused: ${read.problems.join('; ')}`);
      const { options: { file, variables, workspace } } = read;
      const spec = { text: params['pipeline'] ?? '', file, variables, allow };
      return engines.pipeline({ ...spec, workspace: await sourceOf(workspace, inWorkspaces) });
    },
  };
}

async function sourceOf(workspace: PipelineOptions['workspace'], inWorkspaces: PipelineRunParts['inWorkspaces']): Promise<PipelineSpec['workspace']> {
  switch (workspace) {
    case 'none': return { from: 'nowhere' };
    case 'input': return { from: 'input', encoding: 'base64' };
    default: return { from: 'folder', path: await inWorkspaces(workspace) };
  }
}

/** Everything that is wrong, one line each, and as much of it as a message may hold. */
function problems(params: Readonly<Record<string, string>>, { check, allow, workspaces }: PipelineRunParts): string | undefined {
  const read = readPipelineOptions(params['options'] ?? '{}', workspaces);
  const file = read.ok ? read.options.file : 'pipeline.yaml';
  const found = check(params['pipeline'] ?? '', allow).filter(({ severity }) => severity === 'error');
  const lines = [...(read.ok ? [] : read.problems.map((problem) => `options: ${problem}`)), ...found.map((complaint) => complaintLine(file, complaint))];
  return lines.length === 0 ? undefined : bounded(lines);
}

function bounded(lines: readonly string[]): string {
  const kept: string[] = [];
  let chars = 0;
  for (const line of lines) {
    chars += line.length + 1;
    if (chars > messageCharsMax) break;
    kept.push(line);
  }
  const more = lines.length - kept.length;
  return [...kept, ...(more === 0 ? [] : [`and ${more} more`])].join('\n');
}
