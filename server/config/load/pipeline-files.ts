// Checks the files of pipeline calls while the configuration is loaded, so that errors appear before the first run.

import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { PipelinePermissions, PlanPipeline } from '../../../calls/contract/engines.ts';
import { findKind } from '../../../calls/declare/check-declaration.ts';
import { kinds } from '../../../calls/kinds.ts';
import { pipelineDeclaration } from '../../../calls/pipeline.ts';
import { type FileDiagnostic, inFile, isError, type KeyDiagnostic } from '../../../calls/text/diagnostic.ts';
import { quote } from '../../../calls/text/quote.ts';
import { asMapping, isMapping } from '../loose-access.ts';
import { buildPipelines, buildSecrets, permissionsFor } from '../schema/pipelines.ts';
import { readConfigFile } from './read-file.ts';

export interface PipelineFileDiagnostics {
  /** Diagnostics in the configuration itself, for pipeline files that cannot be read. */
  readonly keyDiagnostics: readonly KeyDiagnostic[];
  /** Errors in the pipeline files, by file and position. */
  readonly errors: readonly FileDiagnostic[];
  readonly warnings: readonly FileDiagnostic[];
}

export interface PipelineFileOptions {
  /** Name of the configuration in diagnostics. */
  readonly file: string;
  readonly base: string;
  readonly planPipeline: PlanPipeline | undefined;
}

/**
 * Checks all files of pipeline calls. Skips calls of the wrong shape. Reports a diagnostic once, even if several calls
 * name the file.
 */
export async function checkPipelineFiles(
  value: unknown,
  options: PipelineFileOptions,
): Promise<PipelineFileDiagnostics> {
  const root = isMapping(value) ? value : {};
  const results = await Promise.all(pipelineCalls(root).map((call) => checkPipelineCall(root, call, options)));
  const all = distinctByPosition(results.flatMap(({ diagnostics }) => diagnostics));
  return {
    keyDiagnostics: results.flatMap(({ keyDiagnostics }) => keyDiagnostics),
    errors: all.filter(isError),
    warnings: all.filter((diagnostic) => !isError(diagnostic)),
  };
}

interface PipelineCall {
  readonly name: string;
  readonly pipeline: string;
  /** Path of the key that names the file. */
  readonly path: readonly string[];
}

function pipelineCalls(root: Readonly<Record<string, unknown>>): readonly PipelineCall[] {
  return Object.entries(asMapping(root['calls'])).flatMap(([name, declared]) => {
    if (findKind(asMapping(declared), kinds)?.name !== 'pipeline') return [];
    const { pipeline } = asMapping(declared);
    const file = pipelineDeclaration(pipeline)?.file;
    // Skip paths with other errors: the schema reports an empty path, and checkDeclaration reports placeholders.
    if (file === undefined || file === '' || /\0|\$\{/.test(file)) return [];
    return [
      { name, pipeline: file, path: ['calls', name, 'pipeline', ...(typeof pipeline === 'string' ? [] : ['file'])] },
    ];
  });
}

interface PipelineFileCheck {
  readonly keyDiagnostics: readonly KeyDiagnostic[];
  readonly diagnostics: readonly FileDiagnostic[];
}

async function checkPipelineCall(
  root: Readonly<Record<string, unknown>>,
  { name, pipeline, path }: PipelineCall,
  { file, base, planPipeline }: PipelineFileOptions,
): Promise<PipelineFileCheck> {
  const read = await readConfigFile(resolve(base, pipeline));
  if (!read.ok) {
    const reason = read.missing === true ? 'the file does not exist' : read.message;
    const message = `cannot read the pipeline ${quote(pipeline)}: ${reason}`;
    return { keyDiagnostics: [{ path, message }], diagnostics: [] };
  }
  const shown = isAbsolute(pipeline) ? pipeline : join(dirname(file), pipeline);
  const diagnostics = planPipeline?.(read.text, readPermissions(root, name, base)).diagnostics ?? [];
  return { keyDiagnostics: [], diagnostics: inFile(diagnostics, shown, read.text) };
}

/** Returns the permissions of a call. Ignores sections of the wrong shape. */
function readPermissions(root: Readonly<Record<string, unknown>>, name: string, base: string): PipelinePermissions {
  return permissionsFor(
    name,
    { pipelines: buildPipelines(root['pipelines'], base), secrets: buildSecrets(root['secrets'], base) },
    { declared: true },
  );
}

function distinctByPosition(diagnostics: readonly FileDiagnostic[]): readonly FileDiagnostic[] {
  const distinct = [...new Map(diagnostics.map((one) => [JSON.stringify(one), one])).values()];
  const files = [...new Set(distinct.map(({ file }) => file))];
  return distinct.sort(
    (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}
