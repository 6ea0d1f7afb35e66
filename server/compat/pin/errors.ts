// Errors of the pin API: the table of codes, the error class, and the format of the error body.

import type { ErrorCode } from '../../../protocol/errors.ts';
import type { ErrorContext, ErrorFormat } from '../../http/kit/error-response.ts';
import { ApiError, type ErrorHeaders, HttpError } from '../../http/kit/http-error.ts';
import { BodyError } from '../../http/kit/read-body.ts';
import type { PinError } from './deps.ts';

/** Status of each error code. Source: the documentation of pin. */
export const pinErrors = {
  empty_body: 400,
  invalid_yaml: 400,
  validation_failed: 400,
  invalid_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  run_finished: 409,
  body_too_large: 413,
  pipeline_failed: 500,
  internal_error: 500,
  not_ready: 503,
  queue_full: 503,
} as const;

export type PinErrorCode = keyof typeof pinErrors;

export interface PinErrorDetails {
  readonly details?: object;
  readonly errors?: readonly PinError[];
  readonly headers?: ErrorHeaders;
}

export class PinHttpError extends HttpError {
  override readonly name = 'PinHttpError';
  readonly code: PinErrorCode;
  readonly more: PinErrorDetails;

  constructor(code: PinErrorCode, message: string, more: PinErrorDetails = {}) {
    super(pinErrors[code], message, more.headers);
    this.code = code;
    this.more = more;
  }
}

/** Returns the format of error bodies. Messages show the path of a request without the prefix `base`. */
export function pinErrorFormat(base: string): ErrorFormat {
  return (error, context) => {
    const { code, message, more } = toPinError(error, { ...context, path: context.path.slice(base.length) });
    const { details, errors } = more;
    const body = {
      error: code,
      message,
      ...(details !== undefined && { details }),
      ...(errors !== undefined && { errors }),
    };
    return { text: JSON.stringify(body), type: 'application/json; charset=utf-8', status: httpStatus(error, code) };
  };
}

/** Converts any HTTP error to an error of the pin API. */
export function toPinError(error: HttpError, context: ErrorContext = { method: '', path: '' }): PinHttpError {
  if (error instanceof PinHttpError) return error;
  if (error instanceof BodyError)
    return new PinHttpError(error.reason === 'too-large' ? 'body_too_large' : 'invalid_request', error.message);
  if (error instanceof ApiError)
    return new PinHttpError(codesByApiError[error.code] ?? 'invalid_request', errorMessage(error, context));
  return new PinHttpError('invalid_request', error.message);
}

const codesByApiError: { readonly [code in ErrorCode]?: PinErrorCode } = {
  unknown_host: 'forbidden',
  origin_refused: 'forbidden',
  not_found: 'not_found',
  method_not_allowed: 'method_not_allowed',
  internal: 'internal_error',
};

function errorMessage({ code, message, headers }: ApiError, { method, path }: ErrorContext): string {
  switch (code) {
    case 'not_found':
      return `there is nothing at ${JSON.stringify(path.slice(0, 200))}`;
    case 'method_not_allowed':
      return `${method} is not allowed here; use ${headers['Allow']}`;
    case 'internal':
      return 'unknown error';
    case 'request_timeout':
    case 'headers_too_large':
      return 'the request cannot be read';
    default:
      return message === 'bad request' ? 'the request cannot be read' : message;
  }
}

/**
 * Returns the status of the original error for `invalid_request`: errors of Node's parser have statuses other than 400.
 */
function httpStatus(error: HttpError, code: PinErrorCode): number {
  return code === 'invalid_request' ? error.status : pinErrors[code];
}
