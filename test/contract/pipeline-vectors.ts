// The shape of test/vectors/pipelines (test/vectors/README.md and the schema there explain it), and gateways as the vectors want them.

import { Ajv } from 'ajv';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PipelineAllowance } from '../../calls/contract/engines.ts';
import type { Complaint } from '../../server/pipeline/language/complaint.ts';
import type { Pattern } from '../helpers/pipelines/fits.ts';
import type { ExpectedEvent, ExpectedEvents } from '../helpers/pipelines/order.ts';
import type { Play } from '../helpers/pipelines/play.ts';
import type { Tree } from '../helpers/pipelines/tree.ts';

export interface Vector {
  readonly name: string;
  readonly text: string;
  readonly expect: Expectation;
}

export interface Expectation {
  readonly about: string;
  readonly defects?: readonly number[];
  readonly given?: Given;
  readonly diagnostics: readonly Diagnostic[];
  /** Both are there when there is no error among the diagnostics. */
  readonly plan?: { readonly stages: readonly (readonly string[])[]; readonly after: Readonly<Record<string, readonly string[]>> };
  readonly run?: ExpectedRun;
}

export interface Given {
  readonly variables?: Readonly<Record<string, string>>;
  readonly workspace?: Tree;
  readonly files?: Tree;
  readonly allow?: Partial<Pick<PipelineAllowance, 'hostJobs' | 'mounts' | 'hostNetwork' | 'engines'>>;
  readonly secrets?: Readonly<Record<string, string | null>>;
  readonly cancelAt?: NonNullable<Play['cancelAt']>;
  readonly call?: { readonly params: Readonly<Record<string, string>>; readonly variables?: Readonly<Record<string, string>>; readonly workspace?: true };
}

export type Diagnostic = Omit<Complaint, 'length' | 'suggestions'> & { readonly suggestion?: string };

export interface ExpectedRun {
  readonly events: ExpectedEvents;
  readonly never?: readonly ExpectedEvent[];
  readonly within?: readonly { readonly from: ExpectedEvent; readonly to: ExpectedEvent; readonly ms: number }[];
  readonly lines: Readonly<Record<string, readonly string[] | { readonly stdout: ExpectedLines; readonly stderr: ExpectedLines }>>;
  readonly artifacts?: Tree;
  readonly outputs?: Readonly<Record<string, string>>;
  readonly logsWithTime?: true;
  readonly outcome: string;
  readonly exitCode?: number | null;
  readonly message?: Pattern;
}

export type ExpectedLines = readonly string[] | { readonly any: true } | { readonly ends: readonly string[] };

const folder = fileURLToPath(new URL('../vectors/pipelines', import.meta.url));
const ending = { text: '.yaml', expect: '.expect.json' } as const;

/** All of them. Throws for a file without its other half, and for an expectation that lacks a part that applies. */
export function readPipelineVectors(): readonly Vector[] {
  const names = readdirSync(folder).filter((name) => name !== 'schema.json');
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const isComplete = new Ajv({ allErrors: true, strict: false }).compile(JSON.parse(read('schema.json')) as object);
  const vectors = namesOf(names, ending.text).map((name): Vector => {
    const expect: unknown = JSON.parse(read(name + ending.expect));
    if (!isComplete(expect)) throw new Error(`${name}${ending.expect}: ${JSON.stringify(isComplete.errors, undefined, 2)}`);
    return { name, text: read(name + ending.text), expect: expect as Expectation };
  });
  const without = names.filter((name) => !vectors.some((vector) => name.startsWith(`${vector.name}.`)));
  if (without.length > 0) throw new Error(`nobody knows what to do with ${without.join(', ')}`);
  return vectors;
}

function namesOf(names: readonly string[], end: string): readonly string[] {
  return names.filter((name) => name.endsWith(end)).map((name) => name.slice(0, -end.length)).sort();
}

/** What the operator lets its pipeline do. */
export function allowanceFor({ given: { allow = {}, secrets = {} } = {} }: Pick<Expectation, 'given'>): PipelineAllowance {
  return { hostJobs: false, mounts: [], hostNetwork: false, engines: [], ...allow, secrets: Object.keys(secrets) };
}
