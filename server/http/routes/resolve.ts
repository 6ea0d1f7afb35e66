// Route that resolves a URI to the address of the page about it, by the configured prefixes.

import type { Config } from '../../config/config.ts';
import type { HttpDeps } from '../deps.ts';
import { ApiError, quoted } from '../kit/http-error.ts';
import { queryText } from '../kit/query.ts';
import type { RouteRequest, RouteResponse } from '../kit/route-table.ts';

export function resolve({ query }: RouteRequest, { config }: HttpDeps): RouteResponse {
  const uri = queryText(query, 'uri') ?? '';
  if (uri === '') throw new ApiError('bad_request', 'uri is missing; write ?uri= and the URI, percent-encoded');
  const target = findTarget(uri, config().resolve);
  if (target === undefined) throw new ApiError('not_found', `no prefix of resolve matches the uri ${quoted(uri)}`);
  return { json: target };
}

/** Returns the address for `uri`: that of the longest matching prefix. */
function findTarget(uri: string, rules: Config['resolve']): string | undefined {
  const matching = rules.filter(({ prefix }) => uri.startsWith(prefix));
  const [longest] = matching.sort((a, b) => b.prefix.length - a.prefix.length);
  if (longest === undefined) return undefined;
  const values: Readonly<Record<string, string>> = {
    uri: encodeURIComponent(uri),
    rest: uri.slice(longest.prefix.length),
  };
  // The URL parser encodes characters that an address must not contain.
  return new URL(longest.target.replace(/\$\{(uri|rest)\}/g, (_all, name: string) => values[name]!)).href;
}
