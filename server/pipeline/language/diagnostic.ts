// Diagnostics of pipelines, and their codes.

import type { Diagnostic } from '../../../calls/text/diagnostic.ts';

export const diagnosticCodes = [
  'INVALID_CONFIG',
  'MISSING_FIELD',
  'INVALID_FIELD_TYPE',
  'INVALID_FIELD_VALUE',
  'INVALID_PORT_FORMAT',
  'INVALID_RETRY_CONFIG',
  'UNKNOWN_FIELD',
] as const;
export type DiagnosticCode = (typeof diagnosticCodes)[number];

/** A pipeline diagnostic. Its JSON is the error object of the pin API. */
export interface PipelineDiagnostic extends Diagnostic {
  readonly code: DiagnosticCode;
}
