// The kind `pipeline`: jobs in containers, as a file beside the configuration describes them.

import type { JsonSchema } from './contract/call.ts';
import type { PipelineSpec, WorkspaceSource } from './contract/engines.ts';
import type { Kind, Place } from './contract/kind.ts';
import { path, text as anyText } from './contract/parts.ts';
import { substituteValues } from './contract/substitute.ts';

/** What stands under `pipeline:`, key by key. A text alone is the file. */
export const pipelineKeys = {
  file: path,
  workspace: path,
  variables: {
    type: 'object',
    additionalProperties: anyText,
    propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_]*$', says: 'is not a name for a variable: it must be letters, digits and "_", and not begin with a digit' },
  },
} as const satisfies Record<keyof PipelineDeclaration, JsonSchema>;

export const pipelineKind: Kind = {
  name: 'pipeline',
  keys: {
    pipeline: { ...path, type: ['string', 'object'], properties: pipelineKeys, required: ['file'], additionalProperties: false },
  },
  templates: [['pipeline', 'variables', '*']],
  fixed: [
    { path: ['pipeline'], why: 'a parameter could name any file of this machine' },
    { path: ['pipeline', 'file'], why: 'a parameter could name any file of this machine' },
    { path: ['pipeline', 'workspace'], why: 'a parameter could lead to any folder of this machine' },
  ],
  bind(declaration, place) {
    const declared = pipelineDeclaration(declaration['pipeline'])!;
    const specFor = pipelineSpec(declared, place);
    // Read anew for each run, so that a change of the file counts at once.
    return async ({ engines, params }) => engines.pipeline(specFor(await place.read(place.path(declared.file)), params));
  },
};

export interface PipelineDeclaration {
  readonly file: string;
  readonly workspace?: string;
  readonly variables?: Readonly<Record<string, string>>;
}

/** What a call declares under `pipeline:`; undefined where that is of no shape that could be one. */
export function pipelineDeclaration(declared: unknown): PipelineDeclaration | undefined {
  if (typeof declared === 'string') return { file: declared };
  const { file } = (declared ?? {}) as { file?: unknown };
  return typeof file === 'string' ? (declared as PipelineDeclaration) : undefined;
}

/** Params are variables under their own names; declared ones go before them. */
function pipelineSpec({ file, workspace, variables = {} }: PipelineDeclaration, place: Place): (text: string, params: Readonly<Record<string, string>>) => PipelineSpec {
  const source: WorkspaceSource = workspace === undefined ? { from: 'nowhere' } : { from: 'folder', path: place.path(workspace) };
  const fixed = { file, folder: place.path(folderOf(file)), workspace: source, allow: place.pipelines };
  return (text, params) => ({ text, ...fixed, variables: { ...params, ...substituteValues(variables, params) } });
}

function folderOf(file: string): string {
  const slash = file.lastIndexOf('/');
  return slash === -1 ? '.' : file.slice(0, slash + 1);
}
