// The list of routes, as the API tells it.

import type { Answer, Route } from '../route.ts';

export function index(routes: readonly Route[]): Answer {
  return { json: { routes: routes.filter((route) => route.path.startsWith('/api/')).map(told) } };
}

function told({ path, summary, scope, aliasOf }: Route): object {
  return { path, summary, ...(scope === undefined ? {} : { scope }), ...(aliasOf === undefined ? {} : { aliasOf }) };
}
