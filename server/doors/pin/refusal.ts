// Why a request is not done, as it is thrown: a row of the table of errors, what to tell, and what goes with it.

import type { PinError } from './parts.ts';

/** Source: the errors of the pin API, and their status. */
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

export interface RefusalMore {
  readonly details?: object;
  readonly errors?: readonly PinError[];
  readonly headers?: Readonly<Record<string, string>>;
}

export class PinRefusal extends Error {
  override readonly name = 'PinRefusal';
  readonly code: PinErrorCode;
  readonly more: RefusalMore;

  constructor(code: PinErrorCode, message: string, more: RefusalMore = {}) {
    super(message);
    this.code = code;
    this.more = more;
  }

  get status(): number {
    return pinErrors[this.code];
  }

  /** As clients read it. */
  get body(): object {
    const { details, errors } = this.more;
    return { error: this.code, message: this.message, ...(details !== undefined && { details }), ...(errors !== undefined && { errors }) };
  }
}
