// Who is calling, by the headers of the request.

import type { Caller } from '../../calls/contract/context.ts';

export type Identified = { readonly caller: Caller } | { readonly refused: 'invalid credentials' };

/** Everybody on this machine: the gateway listens on loopback only as long as nobody can log in. */
const anonymous: Caller = { user: '', token: false, scopes: ['*'] };

/**
 * Tells who sent `headers`. Credentials that are presented must be valid: they never fall back to anonymous.
 * There is nothing yet to check them against, so any Authorization header is refused, an empty one too.
 */
export function identify(headers: { readonly authorization?: string | undefined }): Identified {
  return headers.authorization === undefined ? { caller: anonymous } : { refused: 'invalid credentials' };
}
