// Errors that an HTTP client sees: a status, a message, and the headers that belong to them.

import { type ErrorCode, errors } from '../../../protocol/errors.ts';

export type ErrorHeaders = Readonly<Record<string, string>>;

/** An error with a status. Each API defines the format of its body. */
export class HttpError extends Error {
  override readonly name: string = 'HttpError';
  readonly status: number;
  readonly headers: ErrorHeaders;

  constructor(status: number, message: string, headers: ErrorHeaders = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** An error with a code of protocol/errors.ts. The default message is that of the code. */
export class ApiError extends HttpError {
  override readonly name = 'ApiError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message?: string, headers?: ErrorHeaders) {
    super(errors[code].status, message ?? errors[code].message, headers);
    this.code = code;
  }
}

/** Quotes a value from a client for a message, cut after 100 characters. */
export function quoted(value: string): string {
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
}
