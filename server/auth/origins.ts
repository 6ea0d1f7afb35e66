// Whether the page a browser request comes from may do more than read: checked before an upgrade and before any change.

import { accepted } from './checked.ts';
import type { Checked } from './checked.ts';

export interface OriginHeaders {
  readonly origin?: string | undefined;
  readonly host?: string | undefined;
}

/**
 * Accepts a request without Origin (not from a browser's page), from the same origin as its Host, or from one of
 * `origins` (`scheme://host[:port]`). `Origin: null` belongs to nobody and is refused. Relies on Host having been checked.
 * Source: RFC 6454.
 */
export function checkOrigin(headers: OriginHeaders, rules: { readonly origins: readonly string[] }): Checked {
  const { origin, host } = headers;
  if (origin === undefined || isListed(origin, rules.origins) || isSame(origin, host)) return accepted;
  return { refused: `the origin ${JSON.stringify(origin.slice(0, 100))} is not allowed; http.origins lists those that are` };
}

function isListed(origin: string, origins: readonly string[]): boolean {
  const wanted = normal(origin);
  return wanted !== undefined && origins.some((listed) => normal(listed) === wanted);
}

// The scheme is not compared: behind a proxy that ends TLS the page is https and we are http.
function isSame(origin: string, host: string | undefined): boolean {
  const page = normal(origin);
  const scheme = page?.match(/^https?:/)?.[0];
  return scheme !== undefined && host !== undefined && normal(`${scheme}//${host}`) === page;
}

const originPattern = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@,\\]+$/i;

/** In lower case and without the scheme's own port; undefined for what is not one origin. */
function normal(origin: string): string | undefined {
  if (!originPattern.test(origin) || !URL.canParse(origin)) return undefined;
  const url = new URL(origin);
  return `${url.protocol}//${url.host}`.toLowerCase();
}
