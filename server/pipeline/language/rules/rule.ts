// Types of the rules over several keys, and functions with which rules report errors.

import type { TextRange } from '../../../yaml/value-tree.ts';
import type { CheckContext, Field } from '../field.ts';
import type { jobKeys } from '../keys/job-keys.ts';
import type { NameRef } from '../keys/job-names.ts';
import type { KeyReadings } from '../read-keys.ts';
import type { RangedDiagnostic } from '../report.ts';

/** A job that runs, with the values of its keys. */
export interface JobReadings extends KeyReadings<typeof jobKeys> {
  readonly name: string;
  readonly at: TextRange;
  readonly context: CheckContext;
}

/** What rules receive about the file. */
export interface FileReadings {
  /** The jobs that the workflow names; all jobs if there is no workflow. */
  readonly jobs: readonly JobReadings[];
  /** Spelling of each job of the file, and whether it runs, by lowercase name. */
  readonly names: ReadonlyMap<string, NamedJob>;
  readonly workflow?: readonly NameRef[];
  readonly hostJobs: boolean;
  /** True if an error was reported for the job of this name. */
  readonly hasError: (job: string) => boolean;
  readonly context: CheckContext;
}

export interface NamedJob {
  readonly name: string;
  readonly runs: boolean;
}

/**
 * Checks one job. The value of a key is absent if the key is missing or already has an error, so rules do not report an
 * error twice.
 */
export type JobRule = (job: JobReadings, file: FileReadings) => void;

export type FileRule = (file: FileReadings) => void;

/** Reports an error of a job as a whole. */
export function reportJob(
  { name, at, context }: JobReadings,
  diagnostic: Omit<RangedDiagnostic, 'at' | 'job'> & { readonly at?: TextRange },
): void {
  context.report({ at, job: name, ...diagnostic });
}

/** Reports that a key does not fit the rest of its job. */
export function reportField(field: Field, message: string, suggestions: readonly string[] = []): void {
  field.context.report({
    code: 'INVALID_FIELD_VALUE',
    message,
    at: field.at,
    job: field.job,
    field: field.name,
    suggestions,
  });
}
