// Error codes of HTTP responses: status and default message of each. docs/errors.md shows this table; a test compares
// them.

export interface ErrorRow {
  /** HTTP status. */
  readonly status: number;
  /** Message of an error that has no more specific one. */
  readonly message: string;
}

export const errors = {
  bad_request: { status: 400, message: 'bad request' },
  invalid_credentials: { status: 401, message: 'invalid credentials' },
  login_required: { status: 401, message: 'log in first' },
  missing_scope: { status: 403, message: 'missing scope' },
  subprotocol_required: { status: 403, message: 'client does not support required pow-1 subprotocol' },
  origin_refused: { status: 403, message: 'this origin is not allowed' },
  not_found: { status: 404, message: 'not found' },
  unknown_host: { status: 404, message: 'not found: the gateway does not answer for this host' },
  method_not_allowed: { status: 405, message: 'method not allowed' },
  request_timeout: { status: 408, message: 'the request did not arrive in time' },
  range_not_satisfiable: { status: 416, message: 'range not satisfiable' },
  upgrade_required: { status: 426, message: 'upgrade required' },
  headers_too_large: { status: 431, message: 'the address and headers of the request are too large' },
  internal: { status: 500, message: 'internal server error' },
  not_implemented: {
    status: 501,
    message: 'API is not implemented on this server; http: { api: true } in its distillery.yaml enables it',
  },
  not_ready: { status: 503, message: 'not ready' },
  stopping: { status: 503, message: 'websocket server closed' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errors;

/** JSON body of every error response. */
export interface ErrorBody {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Builds the body for `code`, with the code's default message if none is given. */
export function errorBody(code: ErrorCode, message?: string): ErrorBody {
  const row = errors[code];
  return { status: row.status, code, message: message ?? row.message };
}
