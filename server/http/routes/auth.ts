// Route that returns the current caller.

import type { RouteRequest, RouteResponse } from '../kit/route-table.ts';
import { renameKeys } from '../legacy-keys.ts';

export function auth(request: RouteRequest): RouteResponse {
  return { json: authJson(request) };
}

export function authAlias(request: RouteRequest): RouteResponse {
  return { json: renameKeys(authJson(request), { user: 'User', token: 'Token' }) };
}

function authJson({ caller }: RouteRequest): { readonly user: string; readonly token: boolean } {
  return { user: caller.user, token: caller.token };
}
