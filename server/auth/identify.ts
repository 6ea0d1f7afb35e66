// Identifies the caller of a request by its headers.

import type { Caller } from '../../calls/contract/context.ts';

export type IdentifyResult = { readonly caller: Caller } | { readonly rejected: 'invalid credentials' };

/** The caller of every request: this version has no login, and the gateway listens on loopback only. */
const anonymous: Caller = { user: '', token: false, scopes: ['*'] };

/**
 * Schemes with which people log in at a reverse proxy, which then passes their credentials on (RFC 9110, 11). The
 * gateway offers none of them.
 */
const proxySchemes = /^(basic|digest|negotiate|ntlm)( |$)/i;

/**
 * Returns the caller of a request. Rejects invalid credentials and never treats them as anonymous. This version cannot
 * check credentials, so it rejects every Authorization header, even an empty one, unless its scheme is that of a proxy.
 */
export function identify({ authorization }: { readonly authorization?: string | undefined }): IdentifyResult {
  if (authorization === undefined || proxySchemes.test(authorization)) return { caller: anonymous };
  return { rejected: 'invalid credentials' };
}
