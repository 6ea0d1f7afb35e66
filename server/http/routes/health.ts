// Routes for supervisors and load balancers: liveness and readiness. They do not depend on http.api.

import type { HttpDeps } from '../deps.ts';
import { ApiError } from '../kit/http-error.ts';
import type { RouteRequest, RouteResponse } from '../kit/route-table.ts';

export function healthz(): RouteResponse {
  return { json: { healthy: true } };
}

export function readyz(_request: RouteRequest, deps: HttpDeps): RouteResponse {
  const readiness = deps.ready();
  if (readiness.ready) return { json: { ready: true } };
  throw new ApiError('not_ready', `not ready: ${readiness.reason}`, { 'Retry-After': '1' });
}
