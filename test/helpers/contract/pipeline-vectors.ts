// Reads test/vectors/pipelines (see its README and schema), and builds the configuration that each vector needs.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import type { PipelinePermissions } from '../../../calls/contract/engines.ts';
import type { PipelineDiagnostic } from '../../../server/pipeline/language/diagnostic.ts';
import type { ExpectedEvent, ExpectedEvents } from '../pipeline/expected-events.ts';
import type { FileTree } from '../pipeline/file-tree.ts';
import type { Pattern } from '../pipeline/match-pattern.ts';
import type { PipelineRunRequest } from '../pipeline/run-pipeline.ts';

export interface Vector {
  readonly name: string;
  readonly text: string;
  readonly expect: Expectation;
}

export interface Expectation {
  readonly about: string;
  readonly defects?: readonly number[];
  readonly given?: VectorSetup;
  readonly diagnostics: readonly ExpectedDiagnostic[];
  /** `plan` and `run` are present unless the diagnostics contain an error. */
  readonly plan?: {
    readonly stages: readonly (readonly string[])[];
    readonly after: Readonly<Record<string, readonly string[]>>;
  };
  readonly run?: ExpectedRun;
}

export interface VectorSetup {
  readonly variables?: Readonly<Record<string, string>>;
  readonly workspace?: FileTree;
  readonly files?: FileTree;
  readonly allow?: Partial<Pick<PipelinePermissions, 'hostJobs' | 'mounts' | 'hostNetwork' | 'engines'>>;
  readonly secrets?: Readonly<Record<string, string | null>>;
  readonly cancelAt?: NonNullable<PipelineRunRequest['cancelAt']>;
  readonly call?: {
    readonly params: Readonly<Record<string, string>>;
    readonly variables?: Readonly<Record<string, string>>;
    readonly workspace?: true;
  };
}

export type ExpectedDiagnostic = Omit<PipelineDiagnostic, 'length' | 'suggestions'> & { readonly suggestion?: string };

export interface ExpectedRun {
  readonly events: ExpectedEvents;
  readonly never?: readonly ExpectedEvent[];
  readonly within?: readonly { readonly from: ExpectedEvent; readonly to: ExpectedEvent; readonly ms: number }[];
  readonly lines: Readonly<
    Record<string, readonly string[] | { readonly stdout: ExpectedLines; readonly stderr: ExpectedLines }>
  >;
  readonly artifacts?: FileTree;
  readonly outputs?: Readonly<Record<string, string>>;
  readonly logsWithTime?: true;
  readonly outcome: string;
  readonly exitCode?: number | null;
  readonly message?: Pattern;
}

export type ExpectedLines = readonly string[] | { readonly any: true } | { readonly ends: readonly string[] };

const folder = fileURLToPath(new URL('../../vectors/pipelines', import.meta.url));
const ending = { text: '.yaml', expect: '.expect.json' } as const;

/**
 * Returns all vectors. Throws for a file without its counterpart, and for an expectation that lacks a required part.
 */
export function readPipelineVectors(): readonly Vector[] {
  const names = readdirSync(folder).filter((name) => name !== 'schema.json');
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const isComplete = new Ajv({ allErrors: true, strict: false }).compile(JSON.parse(read('schema.json')) as object);
  const vectors = stripEnding(names, ending.text).map((name): Vector => {
    const expect: unknown = JSON.parse(read(name + ending.expect));
    if (!isComplete(expect))
      throw new Error(`${name}${ending.expect}: ${JSON.stringify(isComplete.errors, undefined, 2)}`);
    return { name, text: read(name + ending.text), expect: expect as Expectation };
  });
  const without = names.filter((name) => !vectors.some((vector) => name.startsWith(`${vector.name}.`)));
  if (without.length > 0) throw new Error(`files without a counterpart: ${without.join(', ')}`);
  return vectors;
}

function stripEnding(names: readonly string[], end: string): readonly string[] {
  return names
    .filter((name) => name.endsWith(end))
    .map((name) => name.slice(0, -end.length))
    .sort();
}

/** Returns what the operator permits the pipeline. */
export function permissionsFor({
  given: { allow = {}, secrets = {} } = {},
}: Pick<Expectation, 'given'>): PipelinePermissions {
  return { hostJobs: false, mounts: [], hostNetwork: false, engines: [], ...allow, secrets: Object.keys(secrets) };
}
