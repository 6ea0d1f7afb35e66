// The caller's mistake, as it is thrown: a code of protocol/errors.ts, what to tell, and headers that go with it.

import { errors } from '../../protocol/errors.ts';
import type { ErrorCode } from '../../protocol/errors.ts';

export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: ErrorCode;
  readonly headers: Readonly<Record<string, string>>;

  /** Without a message the code's own is told. */
  constructor(code: ErrorCode, message?: string, headers: Readonly<Record<string, string>> = {}) {
    super(message ?? errors[code].message);
    this.code = code;
    this.headers = headers;
  }
}

/** A value from outside as a message may show it: quoted, and cut when long. */
export function quoted(value: string): string {
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
}
