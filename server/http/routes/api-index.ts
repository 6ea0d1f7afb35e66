// Builds the response that lists the routes of the JSON API.

import type { RouteResponse } from '../kit/route-table.ts';
import type { JsonRoute } from '../route.ts';

export function apiIndex(routes: readonly JsonRoute[]): RouteResponse {
  return { json: { routes: routes.filter((route) => route.path.startsWith('/api/')).map(routeListing) } };
}

function routeListing({ path, summary, scope, aliasOf }: JsonRoute): object {
  return { path, summary, ...(scope !== undefined && { scope }), ...(aliasOf !== undefined && { aliasOf }) };
}
