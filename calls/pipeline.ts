// The call kind `pipeline`: runs the jobs of a pipeline file beside the configuration.

import type { JsonSchema } from './contract/call.ts';
import type { PipelineSpec, WorkspaceSource } from './contract/engines.ts';
import type { DeclarationSource, Kind } from './contract/kind.ts';
import { substituteValues } from './contract/substitute.ts';
import { stringSchema as anyText, pathSchema } from './declare/schema-parts.ts';

/** The keys under `pipeline:`. A string is short for `file`. */
export const pipelineKeys = {
  file: pathSchema,
  workspace: pathSchema,
  variables: {
    type: 'object',
    additionalProperties: anyText,
    propertyNames: {
      pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
      errorText: 'is not a valid variable name: use letters, digits and "_", and do not start with a digit',
    },
  },
} as const satisfies Record<keyof PipelineDeclaration, JsonSchema>;

export const pipelineKind: Kind = {
  name: 'pipeline',
  keys: {
    pipeline: {
      ...pathSchema,
      type: ['string', 'object'],
      properties: pipelineKeys,
      required: ['file'],
      additionalProperties: false,
    },
  },
  templates: [['pipeline', 'variables', '*']],
  fixed: [
    { path: ['pipeline'], why: 'a parameter could name any file of this machine' },
    { path: ['pipeline', 'file'], why: 'a parameter could name any file of this machine' },
    { path: ['pipeline', 'workspace'], why: 'a parameter could name any folder of this machine' },
  ],
  requires: (declaration, source) => ({
    pipeline: { file: source.path(pipelineDeclaration(declaration['pipeline'])!.file), allow: source.pipelines },
  }),
  bind(declaration, source) {
    const declared = pipelineDeclaration(declaration['pipeline'])!;
    const specFor = pipelineSpec(declared, source);
    // Read the file for each run, so that changes apply at once.
    return async ({ engines, params }) =>
      engines.pipeline(specFor(await source.read(source.path(declared.file)), params));
  },
};

export interface PipelineDeclaration {
  readonly file: string;
  readonly workspace?: string;
  readonly variables?: Readonly<Record<string, string>>;
}

/** Returns the declaration under `pipeline:`; undefined if it has the wrong type. */
export function pipelineDeclaration(declared: unknown): PipelineDeclaration | undefined {
  if (typeof declared === 'string') return { file: declared };
  const { file } = (declared ?? {}) as { file?: unknown };
  return typeof file === 'string' ? (declared as PipelineDeclaration) : undefined;
}

/**
 * Returns a function that builds the spec of one run. Params are variables under their own names; declared variables
 * override them.
 */
function pipelineSpec(
  { file, workspace, variables = {} }: PipelineDeclaration,
  source: DeclarationSource,
): (text: string, params: Readonly<Record<string, string>>) => PipelineSpec {
  const workspaceSource: WorkspaceSource =
    workspace === undefined ? { from: 'nowhere' } : { from: 'folder', path: source.path(workspace) };
  const fixed = { file, folder: source.path(parentFolder(file)), workspace: workspaceSource, allow: source.pipelines };
  return (text, params) => ({ text, ...fixed, variables: { ...params, ...substituteValues(variables, params) } });
}

function parentFolder(file: string): string {
  const slash = file.lastIndexOf('/');
  return slash === -1 ? '.' : file.slice(0, slash + 1);
}
