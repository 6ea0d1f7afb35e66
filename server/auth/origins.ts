// Decides whether a page of an origin may open a websocket or change something.

import { accepted, type CheckResult, quoteHeader } from './hosts.ts';

export interface OriginHeaders {
  readonly origin?: string | undefined;
  readonly host?: string | undefined;
}

/**
 * Accepts a request without an Origin header (no page sent it), from the origin of its Host, or from one of `origins`
 * (`scheme://host[:port]`). Rejects `Origin: null`. Call `checkHost` first. Source: RFC 6454.
 */
export function checkOrigin(headers: OriginHeaders, rules: { readonly origins: readonly string[] }): CheckResult {
  const { origin, host } = headers;
  if (origin === undefined || isListed(origin, rules.origins) || isSameOrigin(origin, host)) return accepted;
  return { rejected: `the origin ${quoteHeader(origin)} is not allowed; http.origins lists the allowed origins` };
}

/** Returns whether `origin` is one of `origins`. Ignores case and the scheme's default port. */
export function isListed(origin: string, origins: readonly string[]): boolean {
  const wanted = normalizeOrigin(origin);
  return wanted !== undefined && origins.some((listed) => normalizeOrigin(listed) === wanted);
}

// Does not compare the schemes: behind a proxy that ends TLS, the page uses https and the gateway http.
function isSameOrigin(origin: string, host: string | undefined): boolean {
  const page = normalizeOrigin(origin);
  const scheme = page?.match(/^https?:/)?.[0];
  return scheme !== undefined && host !== undefined && normalizeOrigin(`${scheme}//${host}`) === page;
}

const originPattern = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@,\\]+$/i;

/**
 * Returns the origin in lower case without the scheme's default port; undefined unless the text is exactly one origin.
 */
function normalizeOrigin(origin: string): string | undefined {
  if (!originPattern.test(origin) || !URL.canParse(origin)) return undefined;
  const url = new URL(origin);
  return `${url.protocol}//${url.host}`.toLowerCase();
}
