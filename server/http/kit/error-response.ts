// Decides what a client sees of an error. Only an HttpError shows its message; every other error is logged and hidden.

import { randomUUID } from 'node:crypto';
import type { Logger } from '../../support/logger.ts';
import { ApiError, HttpError } from './http-error.ts';

export interface ErrorContext {
  readonly method: string;
  /** Without the query string, which can contain secrets. */
  readonly path: string;
}

/** How an API writes the body of an error. */
export type ErrorFormat = (error: HttpError, context: ErrorContext) => ErrorBodyText;

export interface ErrorBodyText {
  readonly text: string;
  /** Content type. */
  readonly type: string;
  /** Replaces the status of the error. */
  readonly status?: number;
}

/**
 * Returns an HttpError unchanged. Logs any other error under a new id, and returns an error that shows only this id.
 */
export function toHttpError(error: unknown, context: ErrorContext, log: Logger): HttpError {
  if (error instanceof HttpError) return error;
  const request = randomUUID();
  log.error({ err: error, request, ...context }, 'a request failed');
  return new ApiError('internal', undefined, { 'X-Request-Id': request });
}
