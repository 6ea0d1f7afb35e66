// Checks the text of a pipeline that a client sent.

import { isError } from '../../../calls/text/diagnostic.ts';
import { decodeText } from '../../support/decode-text.ts';
import type { PinDeps, PlannedSubmission } from './deps.ts';
import { PinHttpError } from './errors.ts';

export interface CheckedText {
  readonly text: string;
  /** Planned pipeline without errors; its diagnostics are warnings. */
  readonly planned: PlannedSubmission;
}

/** Throws a PinHttpError if the text is not UTF-8, is empty, or is not a valid pipeline. */
export function checkText(bytes: Buffer, plan: PinDeps['plan']): CheckedText {
  const text = decode(bytes);
  const planned = plan(text);
  const errors = planned.diagnostics.filter(isError);
  const [first] = errors;
  if (first === undefined) return { text, planned };
  const { message, job, field, line, column } = first;
  const details = { ...(job !== undefined && { job }), ...(field !== undefined && { field }), line, column };
  throw first.code === 'INVALID_CONFIG'
    ? new PinHttpError('invalid_yaml', message, { details, errors })
    : new PinHttpError('validation_failed', `Pipeline validation failed: ${message}`, { details, errors });
}

/** Decodes the text. Throws a PinHttpError for bytes that are not UTF-8 and for an empty text. */
function decode(bytes: Buffer): string {
  const decoded = decodeText(bytes);
  if (!decoded.ok)
    throw new PinHttpError('invalid_yaml', `failed to parse YAML configuration: ${decoded.message}`, {
      details: { line: decoded.line, column: 1 },
    });
  const { text } = decoded;
  if (text.trim() === '') throw new PinHttpError('empty_body', 'Empty YAML configuration');
  return text;
}
