// What a rule that looks at more than one key gets to see.

import type { Extent } from '../../../support/yaml/values.ts';
import type { Remark } from '../remark.ts';
import type { Field, Ground } from '../field.ts';
import type { WrittenName } from '../keys/mentions.ts';
import type { jobKeys } from '../keys/job-keys.ts';
import type { Reading } from '../read-keys.ts';

/** A job that runs, with each of its keys read. */
export interface JobFacts extends Reading<typeof jobKeys> {
  readonly name: string;
  readonly at: Extent;
  readonly ground: Ground;
}

/** The file as far as rules care. */
export interface FileFacts {
  /** Those that run. */
  readonly jobs: readonly JobFacts[];
  /** By the lower-cased name: how a job of the file is called, and whether it runs. */
  readonly names: ReadonlyMap<string, NamedJob>;
  readonly workflow?: readonly WrittenName[];
  readonly hostJobs: boolean;
  readonly ground: Ground;
}

export interface NamedJob {
  readonly name: string;
  readonly runs: boolean;
}

/** Looks at one job. Values are absent where a key is not written or was told to be wrong, so a rule says nothing twice. */
export type JobRule = (job: JobFacts, file: FileFacts) => void;

export type FileRule = (file: FileFacts) => void;

/** Tells something about a job as a whole. */
export function tellJob({ name, at, ground }: JobFacts, remark: Omit<Remark, 'at' | 'job'> & { readonly at?: Extent }): void {
  ground.tell({ at, job: name, ...remark });
}

/** Tells that a key does not go with the rest of its job. */
export function refuse(field: Field, message: string, suggestions: readonly string[] = []): void {
  field.ground.tell({ code: 'INVALID_FIELD_VALUE', message, at: field.at, job: field.job, field: field.name, suggestions });
}

