// What is wrong with a pipeline file, or is worth a word: each with its place, its code and a way out.

export const complaintCodes = [
  'INVALID_CONFIG', 'MISSING_FIELD', 'INVALID_FIELD_TYPE', 'INVALID_FIELD_VALUE', 'INVALID_PORT_FORMAT', 'INVALID_RETRY_CONFIG', 'UNKNOWN_FIELD',
] as const;
export type ComplaintCode = (typeof complaintCodes)[number];

/** As JSON, this is the error object of the pin API. */
export interface Complaint {
  readonly code: ComplaintCode;
  readonly message: string;
  /** A file with an error is not run. */
  readonly severity: 'error' | 'warning';
  /** As the author spelled them. */
  readonly job?: string;
  readonly field?: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** Characters that are meant, on that line; at least 1. */
  readonly length: number;
  /** Ways out; may be empty. */
  readonly suggestions: readonly string[];
}
